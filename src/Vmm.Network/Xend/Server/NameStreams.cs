using Vmm.Core.Time;
using Vmm.Host;
using Vmm.Host.Sockets;
using Vmm.Network.User.Dns;

namespace Vmm.Network.Xend.Server;

/// <summary>Passes guests' connections for names (long answers, RFC 7766) on to the host's name servers.</summary>
internal sealed class NameStreams : IDisposable
{
    private const int MostStreams = 64, AtOnce = 16;
    private const long PatienceNs = 30_000_000_000, LookEveryNs = 1_000_000_000;

    private readonly EpollLoop _loop;
    private readonly IClock _clock;
    private readonly Resolvers _resolvers;
    private readonly InetSocket _listener;
    private readonly EpollRegistration _registration;
    private readonly IClockTimer _timer;
    private readonly LinkedList<(StreamPair Pair, long UntilNs)> _pairs = [];

    public NameStreams(EpollLoop loop, IClock clock, Resolvers resolvers, in InetEndPoint at, string bridge)
    {
        (_loop, _clock, _resolvers) = (loop, clock, resolvers);
        _listener = GuestServer.Open(SocketKind.Stream, at, bridge, "DNS");
        if (_listener.Listen() != SocketStatus.Ok)
        {
            _listener.Dispose();
            throw new LinuxException($"DNS cannot be served at {at} on {bridge}: another program listens there");
        }

        _timer = clock.CreateTimer(Expire);
        _registration = loop.Add(_listener.Fd, EpollEvents.Readable, OnClient);
    }

    public void Dispose()
    {
        _timer.Dispose();
        _registration.Dispose();
        while (_pairs.First is { } first) first.Value.Pair.Dispose();
        _listener.Dispose();
    }

    private void OnClient(EpollEvents events)
    {
        for (int i = 0; i < AtOnce; i++)
        {
            if (_listener.TryAccept(out InetSocket? client, out _) != SocketStatus.Ok) return;
            Connect(client!);
        }
    }

    private void Connect(InetSocket client)
    {
        InetSocket? server = null;
        // The oldest gives way, or one guest could keep all from the others.
        if (_pairs.Count == MostStreams) _pairs.First!.Value.Pair.Dispose();
        bool isConnecting = _resolvers.TryGet(out InetEndPoint at) && InetSocket.TryOpen(SocketKind.Stream, at.IsIPv6, out server) == SocketStatus.Ok
            && server!.Connect(at) is SocketStatus.Ok or SocketStatus.Pending;
        if (!isConnecting)
        {
            client.ResetOnClose();
            client.Dispose();
            server?.Dispose();
            return;
        }

        LinkedListNode<(StreamPair Pair, long UntilNs)> node = new(default);
        try
        {
            // Whatever passes: a question takes no longer than that.
            node.Value = (new StreamPair(_loop, client, server!, () => _pairs.Remove(node)), _clock.NowNs + PatienceNs);
        }
        catch (LinuxException)
        {
            return;
        }

        _pairs.AddLast(node);
        if (_pairs.Count == 1) _timer.Arm(_clock.NowNs + LookEveryNs);
    }

    private void Expire()
    {
        while (_pairs.First is { } first && first.Value.UntilNs <= _clock.NowNs) first.Value.Pair.Dispose();
        if (_pairs.Count != 0) _timer.Arm(_clock.NowNs + LookEveryNs);
    }
}
