using System.Runtime.InteropServices;
using Vmm.Host.Native;

namespace Vmm.Host.Net;

/// <summary>A connected Unix stream socket that never blocks and never throws because of its peer.</summary>
public sealed unsafe class StreamSocket : IDisposable
{
    private readonly LinuxFile _file;
    private readonly int _fd;

    /// <param name="file">The socket, which does not block.</param>
    public StreamSocket(LinuxFile file) => (_file, _fd) = (file, file.Fd);

    /// <summary>The descriptor's number.</summary>
    public int Fd => _file.Fd;

    /// <summary>Connects to a listening socket.</summary>
    /// <returns>Null when nobody listens there now.</returns>
    /// <exception cref="LinuxException">The path can never be one of a socket.</exception>
    public static StreamSocket? TryConnect(string path)
    {
        try
        {
            return new StreamSocket(UnixListener.Connect(path));
        }
        catch (LinuxException e) when (e.Error is Errno.ENOENT or Errno.ECONNREFUSED or Errno.EAGAIN)
        {
            return null;
        }
    }

    /// <summary>Sends as much as there is room for.</summary>
    /// <returns>Bytes; 0 when there is no room now, -1 when the peer is gone.</returns>
    public int Send(ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            while (true)
            {
                // SAFETY: the span is pinned for the call and the kernel reads at most its length.
                nint count = Libc.Send(_fd, start, (nuint)bytes.Length, Libc.MSG_NOSIGNAL);
                if (count >= 0) return (int)count;
                int errno = Marshal.GetLastPInvokeError();
                if (errno != Errno.EINTR) return errno is Errno.EAGAIN or Errno.ENOBUFS ? 0 : -1;
            }
        }
    }

    /// <summary>Takes what has come.</summary>
    /// <param name="into">Not empty.</param>
    /// <returns>Bytes; 0 when nothing is there now, -1 when the peer is gone.</returns>
    public int Receive(Span<byte> into)
    {
        fixed (byte* start = into)
        {
            while (true)
            {
                // SAFETY: the span is pinned for the call and the kernel writes at most its length.
                nint count = Libc.Read(_fd, start, (nuint)into.Length);
                if (count > 0) return (int)count;
                int errno = Marshal.GetLastPInvokeError();
                if (count == 0 || errno != Errno.EINTR) return count != 0 && errno == Errno.EAGAIN ? 0 : -1;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
