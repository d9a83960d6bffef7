using System.Runtime.InteropServices;
using System.Text;
using Vmm.Host.Native;

namespace Vmm.Host;

/// <summary>A listening Unix socket in the file system; its path is removed with it.</summary>
public sealed unsafe class UnixListener : IDisposable
{
    private const int Backlog = 16;

    private readonly LinuxFile _socket;
    private readonly int _type;
    private bool _disposed;

    /// <param name="path">Where the socket appears. One that an earlier process left there, and nobody listens to, is replaced.</param>
    /// <param name="isSeqpacket">Connections carry messages, not bytes.</param>
    /// <exception cref="LinuxException">The path is too long, taken, or cannot be made.</exception>
    public UnixListener(string path, bool isSeqpacket = false)
    {
        (Path, _type) = (path, TypeOf(isSeqpacket));
        Libc.SockAddrUn address = AddressOf(path);
        uint length = (uint)sizeof(Libc.SockAddrUn);
        string action = $"listening on {path}";
        _socket = NewSocket(_type, action);
        try
        {
            // SAFETY: a local that outlives the calls.
            if (Libc.Bind(_socket.Fd, &address, length) != 0)
            {
                int errno = Marshal.GetLastPInvokeError();
                if (errno != Errno.EADDRINUSE || !IsAbandoned(address)) throw new LinuxException(action, errno);
                _ = Libc.Unlink(path);
                if (Libc.Bind(_socket.Fd, &address, length) != 0) throw LinuxException.FromLastError(action);
            }

            if (Libc.Listen(_socket.Fd, Backlog) != 0) throw LinuxException.FromLastError(action);
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
    }

    /// <summary>The socket's path.</summary>
    public string Path { get; }

    /// <summary>The descriptor's number: readable when a client waits.</summary>
    public int Fd => _socket.Fd;

    /// <summary>Takes a waiting client.</summary>
    /// <returns>A non-blocking connection, or null when there is none (any more).</returns>
    /// <exception cref="LinuxException">The process has no descriptor left.</exception>
    public LinuxFile? TryAccept()
    {
        int fd = Libc.Accept4(_socket.Fd, 0, 0, Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC);
        if (fd >= 0) return new LinuxFile(fd);
        int errno = Marshal.GetLastPInvokeError();
        return errno is Errno.EMFILE or Errno.ENOMEM ? throw new LinuxException($"taking a client of {Path}", errno) : null;
    }

    /// <summary>Connects to a socket, if somebody listens there for this type of connection and has room.</summary>
    internal static LinuxFile? TryConnect(string path, bool isSeqpacket = false)
    {
        Libc.SockAddrUn address = AddressOf(path);
        int fd = Libc.Socket(Libc.AF_UNIX, TypeOf(isSeqpacket) | Libc.SOCK_CLOEXEC | Libc.SOCK_NONBLOCK, 0);
        if (fd < 0) return null;
        LinuxFile socket = new(fd);
        // SAFETY: a local that outlives the call.
        if (Libc.Connect(fd, &address, (uint)sizeof(Libc.SockAddrUn)) == 0) return socket;
        socket.Dispose();
        return null;
    }

    /// <summary>Connects to a socket.</summary>
    /// <exception cref="LinuxException">Nobody listens there.</exception>
    internal static LinuxFile Connect(string path)
    {
        Libc.SockAddrUn address = AddressOf(path);
        LinuxFile socket = NewSocket(Libc.SOCK_STREAM, $"connecting to {path}");
        // SAFETY: a local that outlives the call.
        if (Libc.Connect(socket.Fd, &address, (uint)sizeof(Libc.SockAddrUn)) == 0) return socket;
        LinuxException error = LinuxException.FromLastError($"connecting to {path}");
        socket.Dispose();
        throw error;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        _ = Libc.Unlink(Path);
        _socket.Dispose();
    }

    private static int TypeOf(bool isSeqpacket) => isSeqpacket ? Libc.SOCK_SEQPACKET : Libc.SOCK_STREAM;

    private static LinuxFile NewSocket(int type, string action)
        => LinuxFile.FromResult(Libc.Socket(Libc.AF_UNIX, type | Libc.SOCK_CLOEXEC | Libc.SOCK_NONBLOCK, 0), action);

    private static Libc.SockAddrUn AddressOf(string path)
    {
        Libc.SockAddrUn address = new() { Family = Libc.AF_UNIX };
        int length = Encoding.UTF8.GetByteCount(path);
        if (length == 0) throw new LinuxException("a socket needs a path");
        if (length >= Libc.SockAddrUn.PathBytes)
            throw new LinuxException($"the socket path {path} is longer than the possible {Libc.SockAddrUn.PathBytes - 1} bytes");
        // SAFETY: the path is shorter than the field, which was zeroed.
        Encoding.UTF8.GetBytes(path, new Span<byte>(address.Path, Libc.SockAddrUn.PathBytes));
        return address;
    }

    private bool IsAbandoned(Libc.SockAddrUn address)
    {
        using LinuxFile probe = NewSocket(_type, "probing a socket");
        return Libc.Connect(probe.Fd, &address, (uint)sizeof(Libc.SockAddrUn)) != 0 && Marshal.GetLastPInvokeError() == Errno.ECONNREFUSED;
    }
}
