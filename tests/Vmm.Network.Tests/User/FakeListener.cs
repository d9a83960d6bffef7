using Vmm.Host;
using Vmm.Host.Sockets;
using Vmm.Network.User.Sockets;

namespace Vmm.Network.Tests.User;

/// <summary>A port that the test connects to.</summary>
internal sealed class FakeListener(FakeHost host) : FakeSocket(host), IHostListener
{
    private readonly Queue<(FakeStream Stream, InetEndPoint Peer)> _waiting = new();

    public FakeStream Connect(InetEndPoint peer)
    {
        FakeStream stream = new(Host, peer);
        _waiting.Enqueue((stream, peer));
        Tell(EpollEvents.Readable);
        return stream;
    }

    public SocketStatus TryAccept(out IHostStream? stream, out InetEndPoint peer)
    {
        bool isThere = _waiting.TryDequeue(out (FakeStream Stream, InetEndPoint Peer) next);
        (stream, peer) = (next.Stream, next.Peer);
        return isThere ? SocketStatus.Ok : SocketStatus.Pending;
    }
}
