using Vmm.Core.Memory;
using Vmm.Host;
using Vmm.Host.Sockets;
using Vmm.Network.User.Sockets;

namespace Vmm.Fuzz.Network;

/// <summary>A host on which everybody sends back what they get.</summary>
internal sealed class MirrorHost(IHostEvents events) : IHostSockets
{
    private const int MostEvents = 10_000;

    private readonly Queue<(Mirror Socket, EpollEvents Ready)> _events = new();

    /// <summary>Tells what has happened, as the event loop would: never from within a call of the network.</summary>
    public void Pump()
    {
        for (int i = 0; i < MostEvents && _events.TryDequeue(out (Mirror Socket, EpollEvents Ready) next); i++)
            if (next.Socket.User is { } user) events.OnReady(user, next.Ready);
    }

    public SocketStatus Connect(in InetEndPoint remote, out IHostStream? stream)
    {
        // Some ports are closed, and some answer only after a while.
        stream = remote.Port % 8 == 7 ? null : new Mirror(this);
        return stream is null ? SocketStatus.Refused : SocketStatus.Ok;
    }

    public SocketStatus OpenDatagrams(SocketKind kind, bool ipv6, out IHostDatagrams? socket)
    {
        socket = new Mirror(this);
        return SocketStatus.Ok;
    }

    public SocketStatus Listen(in InetEndPoint local, out IHostListener? listener)
    {
        listener = null;
        return SocketStatus.Denied;
    }

    public SocketStatus BindDatagrams(in InetEndPoint local, out IHostDatagrams? socket) => OpenDatagrams(SocketKind.Datagram, false, out socket);

    private sealed class Mirror(MirrorHost host) : IHostStream, IHostDatagrams
    {
        private const int MostBytes = 32 * 1024;
        private const int MostDatagrams = 16;

        private readonly Queue<byte> _bytes = new();
        private readonly Queue<(byte[] Data, InetEndPoint From)> _datagrams = new();
        private bool _ended;

        public IHostSocketUser? User { get; private set; }

        public bool Watch(IHostSocketUser user)
        {
            User = user;
            return true;
        }

        public SocketStatus TakeError() => SocketStatus.Ok;

        public SocketStatus Send(ReadOnlySpan<IoVec> vectors, out int sent)
        {
            IoCursor.TrySum(vectors, out ulong sum);
            byte[] data = new byte[Math.Min((long)sum, MostBytes - _bytes.Count)];
            new IoCursor(vectors).Drain(data);
            return Send(data, out sent);
        }

        public SocketStatus Send(ReadOnlySpan<byte> data, out int sent)
        {
            sent = Math.Min(data.Length, MostBytes - _bytes.Count);
            foreach (byte b in data[..sent]) _bytes.Enqueue(b);
            if (sent == 0) return SocketStatus.Pending;
            Tell(EpollEvents.Readable);
            return SocketStatus.Ok;
        }

        public SocketStatus Receive(Span<byte> buffer, out int received)
        {
            bool wasFull = _bytes.Count == MostBytes;
            received = 0;
            while (received < buffer.Length && _bytes.TryDequeue(out byte b)) buffer[received++] = b;
            if (wasFull && received > 0) Tell(EpollEvents.Writable);
            return received > 0 || _ended ? SocketStatus.Ok : SocketStatus.Pending;
        }

        public SocketStatus ShutdownWrite()
        {
            _ended = true;
            Tell(EpollEvents.Readable | EpollEvents.PeerClosed);
            return SocketStatus.Ok;
        }

        public void Abort() => User = null;

        public SocketStatus SendTo(ReadOnlySpan<byte> data, in InetEndPoint to)
        {
            if (_datagrams.Count == MostDatagrams) return SocketStatus.Pending;
            _datagrams.Enqueue((data.ToArray(), to));
            Tell(EpollEvents.Readable);
            return SocketStatus.Ok;
        }

        public SocketStatus ReceiveFrom(Span<byte> buffer, out int received, out InetEndPoint from)
        {
            received = 0;
            from = default;
            if (!_datagrams.TryDequeue(out (byte[] Data, InetEndPoint From) next)) return SocketStatus.Pending;
            received = Math.Min(next.Data.Length, buffer.Length);
            next.Data.AsSpan(0, received).CopyTo(buffer);
            from = next.From;
            return SocketStatus.Ok;
        }

        public bool TryReceiveError(Span<byte> payload, out SocketErrorReport report)
        {
            report = default;
            return false;
        }

        public void SetTimeToLive(byte hops) { }

        public void Dispose() => User = null;

        private void Tell(EpollEvents ready) => host._events.Enqueue((this, ready));
    }
}
