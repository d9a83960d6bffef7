using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vmm.Host.Native;

namespace Vmm.Host;

/// <summary>An open file descriptor, closed with this object. Always close-on-exec.</summary>
public sealed unsafe class LinuxFile : SafeHandle
{
    private const uint NewFileMode = 0b110_100_100; // rw-r--r--

    public LinuxFile() : base(-1, ownsHandle: true) { }

    /// <summary>Takes over a descriptor that the caller owns.</summary>
    public LinuxFile(int fd) : this() => SetHandle(fd);

    private LinuxFile(int fd, bool ownsHandle) : base(-1, ownsHandle) => SetHandle(fd);

    /// <summary>Standard input (0), output (1) or error (2); never closed by this object.</summary>
    public static LinuxFile Standard(int fd) => new(fd, ownsHandle: false);

    /// <inheritdoc/>
    public override bool IsInvalid => handle < 0;

    /// <summary>The descriptor's number, good while this object is not disposed; the caller keeps the object alive.</summary>
    /// <exception cref="ObjectDisposedException">Already closed.</exception>
    public int Fd
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed || IsInvalid, this);
            return (int)handle;
        }
    }

    /// <summary>Opens a path.</summary>
    /// <param name="path">File or device node.</param>
    /// <param name="flags">O_… flags; O_CLOEXEC is added.</param>
    /// <exception cref="LinuxException">It cannot be opened.</exception>
    internal static LinuxFile Open(string path, int flags)
        => FromResult(Libc.Open(path, flags | Libc.O_CLOEXEC, NewFileMode), $"opening {path}");

    /// <summary>Wraps the result of a call that returns a new descriptor or -1 with errno.</summary>
    /// <exception cref="LinuxException">The call had failed.</exception>
    internal static LinuxFile FromResult(int fd, string action)
        => fd >= 0 ? new LinuxFile(fd) : throw LinuxException.FromLastError(action);

    /// <summary>A second descriptor of the same open file.</summary>
    /// <exception cref="LinuxException">No descriptor is free.</exception>
    public LinuxFile Duplicate() => FromResult(Libc.Fcntl(Fd, Libc.F_DUPFD_CLOEXEC, 0), "duplicating a file descriptor");

    /// <summary>Two ends of a pipe, the reading one first.</summary>
    /// <exception cref="LinuxException">No descriptor is free.</exception>
    public static (LinuxFile Reader, LinuxFile Writer) Pipe()
    {
        int* ends = stackalloc int[2];
        // SAFETY: room for two.
        if (Libc.Pipe2(ends, Libc.O_CLOEXEC) != 0) throw LinuxException.FromLastError("making a pipe");
        return (new(ends[0]), new(ends[1]));
    }

    /// <summary>Gives the descriptor out of hand: this object is closed without it.</summary>
    internal int Release()
    {
        int fd = Fd;
        SetHandleAsInvalid();
        return fd;
    }

    /// <summary>Gives the descriptor to a handle of the runtime's; this object is closed without it.</summary>
    public SafeFileHandle IntoFileHandle() => new(Release(), ownsHandle: true);

    /// <summary>One read; repeated only when a signal interrupted it.</summary>
    /// <returns>Bytes read, 0 at the end of the file; -1 when a non-blocking descriptor has nothing.</returns>
    /// <exception cref="LinuxException">Any other error.</exception>
    public int Read(Span<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            while (true)
            {
                // SAFETY: the span is pinned for the call and the kernel writes at most its length.
                nint count = Libc.Read(Fd, start, (nuint)buffer.Length);
                if (count >= 0) return (int)count;
                if (MustGiveUp("reading a file descriptor")) return -1;
            }
        }
    }

    /// <summary>One write; repeated only when a signal interrupted it.</summary>
    /// <returns>Bytes written, possibly fewer than given; -1 when a non-blocking descriptor takes nothing now.</returns>
    /// <exception cref="LinuxException">Any other error.</exception>
    public int Write(ReadOnlySpan<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            while (true)
            {
                // SAFETY: the span is pinned for the call and the kernel reads at most its length.
                nint count = Libc.Write(Fd, start, (nuint)buffer.Length);
                if (count >= 0) return (int)count;
                if (MustGiveUp("writing a file descriptor")) return -1;
            }
        }
    }

    /// <summary>Switches O_NONBLOCK on or off, for every descriptor of the same open file.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public void SetNonBlocking(bool on)
    {
        int flags = Libc.Fcntl(Fd, Libc.F_GETFL, 0);
        int wanted = on ? flags | Libc.O_NONBLOCK : flags & ~Libc.O_NONBLOCK;
        if (flags < 0 || Libc.Fcntl(Fd, Libc.F_SETFL, wanted) < 0) throw LinuxException.FromLastError("changing a descriptor's flags");
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => Libc.Close((int)handle) == 0;

    // True: nothing to do now (EAGAIN). False: try again (EINTR).
    private static bool MustGiveUp(string action)
    {
        int errno = Marshal.GetLastPInvokeError();
        return errno switch
        {
            Errno.EINTR => false,
            Errno.EAGAIN => true,
            _ => throw new LinuxException(action, errno),
        };
    }
}
