using System.Runtime.InteropServices;
using Vmm.Host.Native;

namespace Vmm.Host;

/// <summary>A counter in the kernel that can be waited for, signalled by KVM and shared with another process (eventfd(2)). Only <see cref="Wait"/> blocks.</summary>
public sealed unsafe class EventFd : IDisposable
{
    private readonly LinuxFile _file;

    /// <summary>A new eventfd with the count 0.</summary>
    /// <exception cref="LinuxException">No descriptor is free.</exception>
    public EventFd() : this(LinuxFile.FromResult(Libc.EventFd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK), "making an eventfd")) { }

    /// <summary>Takes over an eventfd that came from elsewhere (a vhost-user message) and makes it non-blocking.</summary>
    public EventFd(LinuxFile file) : this(file, blocks: false) { }

    private EventFd(LinuxFile file, bool blocks)
    {
        _file = file;
        _file.SetNonBlocking(!blocks);
    }

    /// <summary>A new eventfd for <see cref="Wait"/>.</summary>
    /// <exception cref="LinuxException">No descriptor is free.</exception>
    public static EventFd NewBlocking() => new(LinuxFile.FromResult(Libc.EventFd(0, Libc.EFD_CLOEXEC), "making an eventfd"), blocks: true);

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

    /// <summary>Waits until the count is not 0, takes it and sets it to 0. For an eventfd of <see cref="NewBlocking"/>.</summary>
    /// <exception cref="LinuxException">The descriptor is no eventfd any more.</exception>
    public ulong Wait()
    {
        ulong count = 0;
        // SAFETY: eight bytes of a local.
        while (Libc.Read(Fd, &count, sizeof(ulong)) < 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            if (errno != Errno.EINTR) throw new LinuxException("waiting for an eventfd", errno);
        }

        return count;
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
