using System.Runtime.InteropServices;
using Vmm.Host.Native;

namespace Vmm.Host;

/// <summary>A counter in the kernel that can be waited for, signalled by KVM and shared with another process (eventfd(2)). Nothing here blocks.</summary>
public sealed unsafe class EventFd : IDisposable
{
    private readonly LinuxFile _file;

    /// <summary>A new eventfd with the count 0.</summary>
    /// <exception cref="LinuxException">No descriptor is free.</exception>
    public EventFd() : this(LinuxFile.FromResult(Libc.EventFd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK), "making an eventfd")) { }

    /// <summary>Takes over an eventfd that came from elsewhere (a vhost-user message) and makes it non-blocking.</summary>
    public EventFd(LinuxFile file)
    {
        _file = file;
        _file.SetNonBlocking(true);
    }

    /// <summary>Whether a descriptor that came from elsewhere is an eventfd: writing to it then ends at once.</summary>
    public static bool Is(LinuxFile file)
    {
        if (new FileInfo($"/proc/self/fd/{file.Fd}").LinkTarget != "anon_inode:[eventfd]") return false;
        file.SetNonBlocking(true);
        return true;
    }

    /// <summary>The descriptor's number, good while this object is not disposed.</summary>
    public int Fd => _file.Fd;

    /// <summary>Adds one. A count that is full stays full: whoever waits is awake already.</summary>
    /// <exception cref="LinuxException">The descriptor is no eventfd any more.</exception>
    public void Signal() => SignalDescriptor(Fd);

    /// <summary>Adds one to an eventfd that is known by its number only.</summary>
    /// <exception cref="LinuxException">The descriptor is no eventfd.</exception>
    public static void SignalDescriptor(int fd)
    {
        ulong one = 1;
        // SAFETY: eight bytes of a local.
        if (Libc.Write(fd, &one, sizeof(ulong)) >= 0) return;
        int errno = Marshal.GetLastPInvokeError();
        if (errno != Errno.EAGAIN) throw new LinuxException("signalling an eventfd", errno);
    }

    /// <summary>Takes the count and sets it to 0.</summary>
    /// <returns>Signals since the last time; 0 when there were none.</returns>
    /// <exception cref="LinuxException">The descriptor is no eventfd any more.</exception>
    public ulong Drain()
    {
        ulong count = 0;
        // SAFETY: eight bytes of a local.
        if (Libc.Read(Fd, &count, sizeof(ulong)) >= 0) return count;
        int errno = Marshal.GetLastPInvokeError();
        return errno == Errno.EAGAIN ? 0UL : throw new LinuxException("reading an eventfd", errno);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
