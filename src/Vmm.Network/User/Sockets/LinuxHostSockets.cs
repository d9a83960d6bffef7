using Vmm.Core.Memory;
using Vmm.Host;
using Vmm.Host.Sockets;

namespace Vmm.Network.User.Sockets;

/// <summary>The host's own sockets, watched by an event loop.</summary>
internal sealed class LinuxHostSockets(EpollLoop loop, IHostEvents events) : IHostSockets
{
    public SocketStatus Connect(in InetEndPoint remote, out IHostStream? stream)
    {
        stream = null;
        SocketStatus status = InetSocket.TryOpen(SocketKind.Stream, remote.IsIPv6, out InetSocket? socket);
        if (status != SocketStatus.Ok) return status;
        socket!.TuneStream();
        status = socket.Connect(remote);
        if (status is SocketStatus.Ok or SocketStatus.Pending) stream = new Watched(loop, events, socket);
        else socket.Dispose();
        return status;
    }

    public SocketStatus OpenDatagrams(SocketKind kind, bool ipv6, out IHostDatagrams? socket)
    {
        SocketStatus status = InetSocket.TryOpen(kind, ipv6, out InetSocket? opened);
        socket = opened is null ? null : new Watched(loop, events, opened);
        if (opened is null) return status;
        opened.TuneDatagrams();
        if (kind == SocketKind.EchoRaw) opened.FilterEchoReplies();
        return status;
    }

    public SocketStatus Listen(in InetEndPoint local, out IHostListener? listener)
    {
        listener = null;
        SocketStatus status = InetSocket.TryOpen(SocketKind.Stream, local.IsIPv6, out InetSocket? socket);
        if (status != SocketStatus.Ok) return status;
        status = socket!.Bind(local, reuse: true);
        if (status == SocketStatus.Ok) status = socket.Listen();
        if (status == SocketStatus.Ok) listener = new Watched(loop, events, socket);
        else socket.Dispose();
        return status;
    }

    public SocketStatus BindDatagrams(in InetEndPoint local, out IHostDatagrams? socket)
    {
        socket = null;
        SocketStatus status = InetSocket.TryOpen(SocketKind.Datagram, local.IsIPv6, out InetSocket? opened);
        if (status != SocketStatus.Ok) return status;
        opened!.TuneDatagrams();
        status = opened.Bind(local, reuse: false);
        if (status == SocketStatus.Ok) socket = new Watched(loop, events, opened);
        else opened.Dispose();
        return status;
    }

    private sealed class Watched(EpollLoop loop, IHostEvents events, InetSocket socket) : IHostStream, IHostListener, IHostDatagrams
    {
        private const EpollEvents Changes = EpollEvents.Readable | EpollEvents.Writable | EpollEvents.PeerClosed | EpollEvents.EdgeTriggered;

        private EpollRegistration? _registration;

        public bool Watch(IHostSocketUser user)
        {
            try
            {
                _registration = loop.Add(socket.Fd, Changes, ready => events.OnReady(user, ready));
                return true;
            }
            catch (LinuxException)
            {
                return false; // the user's limit of watches, or no memory
            }
        }

        public SocketStatus TakeError() => socket.TakeError();

        public SocketStatus Send(ReadOnlySpan<IoVec> vectors, out int sent) => socket.Send(vectors, out sent);

        public SocketStatus Send(ReadOnlySpan<byte> data, out int sent) => socket.Send(data, out sent);

        public SocketStatus Receive(Span<byte> buffer, out int received) => socket.Receive(buffer, out received);

        public SocketStatus ShutdownWrite() => socket.ShutdownWrite();

        public SocketStatus SendTo(ReadOnlySpan<byte> data, in InetEndPoint to) => socket.SendTo(data, to);

        public SocketStatus ReceiveFrom(Span<byte> buffer, out int received, out InetEndPoint from)
            => socket.ReceiveFrom(buffer, out received, out from);

        public bool TryReceiveError(Span<byte> payload, out SocketErrorReport report) => socket.TryReceiveError(payload, out report);

        public void SetTimeToLive(byte hops) => socket.SetTimeToLive(hops);

        public SocketStatus TryAccept(out IHostStream? stream, out InetEndPoint peer)
        {
            SocketStatus status = socket.TryAccept(out InetSocket? accepted, out peer);
            accepted?.TuneStream();
            stream = accepted is null ? null : new Watched(loop, events, accepted);
            return status;
        }

        public void Abort()
        {
            socket.ResetOnClose();
            Dispose();
        }

        public void Dispose()
        {
            _registration?.Dispose();
            socket.Dispose();
        }
    }
}
