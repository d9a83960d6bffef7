using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Host.Native;

namespace Vmm.Host.Vsock;

/// <summary>A Unix socket as the host's end of a connection with the guest.</summary>
internal sealed unsafe class UnixVsockStream : IVsockStream
{
    // So many empty messages are passed over at once: they say nothing, and the peer can send them without end.
    private const int MostEmpty = 16;

    private readonly EpollLoop _loop;
    private readonly LinuxFile _socket;
    private readonly int _fd;
    private readonly Action _closed;
    private EpollRegistration? _registration;
    private Action? _ready;
    private bool _isDisposed;

    /// <param name="loop">Says when the socket is ready.</param>
    /// <param name="socket">Connected and non-blocking; owned from here on.</param>
    /// <param name="kind">What the socket carries.</param>
    /// <param name="closed">Told when the socket is closed.</param>
    public UnixVsockStream(EpollLoop loop, LinuxFile socket, VsockKind kind, Action closed)
    {
        (_loop, _socket, Kind, _closed) = (loop, socket, kind, closed);
        _fd = socket.Fd;
    }

    /// <inheritdoc/>
    public VsockKind Kind { get; }

    /// <inheritdoc/>
    public bool IsPeerGone => Poll(Libc.POLLHUP | Libc.POLLERR);

    /// <inheritdoc/>
    public void Attach(Action ready)
    {
        const EpollEvents everything = EpollEvents.Readable | EpollEvents.Writable | EpollEvents.PeerClosed | EpollEvents.EdgeTriggered;
        _ready = ready;
        try
        {
            _registration = _loop.Add(_fd, everything, _ => ready());
        }
        catch (LinuxException)
        {
            // Not to be watched (fs.epoll.max_user_watches): it ends here for both sides, which the guest's end finds at once.
            _ = Libc.Shutdown(_fd, Libc.SHUT_RDWR);
            ready();
        }
    }

    /// <inheritdoc/>
    public void Accepted(uint port)
    {
        Span<byte> line = stackalloc byte[24];
        Encoding.ASCII.TryGetBytes(string.Create(CultureInfo.InvariantCulture, $"OK {port}\n"), line, out int length);
        // Nothing was sent before, so there is room, or nobody is left to read it.
        Send(line[..length], default, out _);
    }

    /// <inheritdoc/>
    public VsockStreamStatus Send(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, out int sent)
    {
        fixed (byte* one = first)
        fixed (byte* other = second)
        {
            return Send([new IoVec((nint)one, (nuint)first.Length), new IoVec((nint)other, (nuint)second.Length)], out sent);
        }
    }

    /// <inheritdoc/>
    public VsockStreamStatus Send(ReadOnlySpan<IoVec> from, out int sent)
    {
        fixed (IoVec* first = from)
        {
            Libc.MsgHdr message = new() { Vectors = first, VectorCount = (nuint)from.Length };
            while (true)
            {
                // SAFETY: the caller's pinned vectors outlive the call.
                nint count = Libc.Sendmsg(_fd, &message, Libc.MSG_NOSIGNAL);
                sent = (int)Math.Max(0, count);
                if (count >= 0) return VsockStreamStatus.Ok;
                int errno = Marshal.GetLastPInvokeError();
                if (errno != Errno.EINTR) return errno == Errno.EAGAIN ? VsockStreamStatus.Pending : VsockStreamStatus.Ended;
            }
        }
    }

    /// <inheritdoc/>
    public VsockStreamStatus Receive(Span<byte> into, out int received)
    {
        fixed (byte* start = into)
        {
            IoVec vector = new((nint)start, (nuint)into.Length);
            return Receive(new ReadOnlySpan<IoVec>(in vector), out received);
        }
    }

    /// <inheritdoc/>
    public VsockStreamStatus Receive(ReadOnlySpan<IoVec> into, out int received)
    {
        int empty = 0;
        fixed (IoVec* first = into)
        {
            Libc.MsgHdr message = new() { Vectors = first, VectorCount = (nuint)into.Length };
            while (true)
            {
                // SAFETY: the caller's pinned vectors outlive the call; the kernel writes at most what they cover.
                nint count = Libc.Recvmsg(_fd, &message, 0);
                received = (int)Math.Max(0, count);
                if (count > 0) return (message.Flags & Libc.MSG_TRUNC) == 0 ? VsockStreamStatus.Ok : VsockStreamStatus.Broken;
                if (count == 0)
                {
                    if (Kind == VsockKind.Stream || Poll(Libc.POLLRDHUP | Libc.POLLHUP)) return VsockStreamStatus.Ended;
                    if (++empty < MostEmpty) continue;
                    // What comes behind them is not announced again.
                    if (_ready is { } ready) _loop.Post(ready);
                    return VsockStreamStatus.Pending;
                }

                int errno = Marshal.GetLastPInvokeError();
                if (errno != Errno.EINTR) return errno == Errno.EAGAIN ? VsockStreamStatus.Pending : VsockStreamStatus.Broken;
            }
        }
    }

    /// <inheritdoc/>
    public void CloseSend() => _ = Libc.Shutdown(_fd, Libc.SHUT_WR);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_isDisposed) return;
        _isDisposed = true;
        _registration?.Dispose();
        _socket.Dispose();
        _closed();
    }

    private bool Poll(short what)
    {
        Libc.PollFd poll = new() { Fd = _fd, Wanted = what };
        // SAFETY: a local that outlives the call.
        return Libc.Poll(&poll, 1, 0) > 0 && (poll.Returned & what) != 0;
    }
}
