using Vmm.Host.Sockets;
using Vmm.Network.User.Flows;
using Vmm.Network.User.Packets;
using Vmm.Network.User.Sockets;

namespace Vmm.Network.User.Udp;

/// <summary>
/// The datagrams of one port of the guest, on one port of the host whatever their destinations (RFC 4787 REQ-1). Answers are taken from any
/// port of an address that the guest has written to lately (REQ-8).
/// </summary>
internal sealed class UdpFlow(UdpFlows owner, UdpKey key, IHostDatagrams socket) : DatagramFlow(owner.Link, socket)
{
    private const int MostPeers = 16;
    private const long UnansweredNs = 30_000_000_000;
    private const long AnsweredNs = 120_000_000_000;

    private readonly UInt128[] _peers = new UInt128[MostPeers];
    private int _peerCount;
    private int _nextPeer;
    private bool _isAnswered;
    private InetEndPoint _nameServer;
    private int _unanswered;

    /// <inheritdoc/>
    public override long DeadlineNs => LastUsedNs + (_isAnswered ? AnsweredNs : UnansweredNs);

    /// <summary>Queries that the name server has left unanswered in a row.</summary>
    public int Unanswered => _unanswered;

    /// <summary>The name server that this flow asks; it has no other peer.</summary>
    public InetEndPoint NameServer => _nameServer;

    public SocketStatus Send(ReadOnlySpan<byte> payload, in InetEndPoint to, byte hops)
    {
        Use();
        if (key.IsNameService) (_nameServer, _unanswered) = (to, _unanswered + 1);
        else Remember(to.Address);
        SetTimeToLive(hops);
        return Socket.SendTo(payload, to);
    }

    /// <inheritdoc/>
    protected override void TakeAnswer()
    {
        Span<byte> buffer = owner.Scratch;
        SocketStatus status = Socket.ReceiveFrom(buffer[UdpHeader.Bytes..], out int received, out InetEndPoint from);
        if (status != SocketStatus.Ok)
        {
            if (status == SocketStatus.Pending) ReadNothing();
            return;
        }

        if (!IsPeer(from)) return;
        (_isAnswered, _unanswered) = (true, 0);
        Use();
        IpAddress source = key.IsNameService ? key.NameServer(owner.Link.Options) : owner.Routes.Seen(from, key.GuestAddress);
        owner.ReceivedBytes += (ulong)received;
        owner.Link.PutUdp((source, from.Port), (key.GuestAddress, key.GuestPort), buffer[..(UdpHeader.Bytes + received)]);
    }

    /// <inheritdoc/>
    protected override void TakeErrors()
    {
        Span<byte> none = stackalloc byte[1];
        Span<byte> transport = stackalloc byte[UdpHeader.Bytes];
        for (int i = 0; i < ErrorsAtOnce && Socket.TryReceiveError(none, out SocketErrorReport report); i++)
        {
            if (key.IsNameService) owner.Routes.NameServerFailed();
            IpAddress remote = key.IsNameService ? key.NameServer(owner.Link.Options) : owner.Routes.Seen(report.Destination, key.GuestAddress);
            new UdpHeader(key.GuestPort, report.Destination.Port, UdpHeader.Bytes, 0).Write(transport);
            owner.Icmp.PutAbout(report, owner.Routes.Seen(report.Reporter, key.GuestAddress), key.GuestAddress, remote, IpHeader.IPPROTO_UDP, transport, UdpHeader.Bytes);
        }
    }

    private void Remember(UInt128 address)
    {
        if (_peers.AsSpan(0, _peerCount).Contains(address)) return;
        _peers[_nextPeer] = address;
        _nextPeer = (_nextPeer + 1) % MostPeers;
        _peerCount = Math.Min(_peerCount + 1, MostPeers);
    }

    private bool IsPeer(in InetEndPoint from) => key.IsNameService ? from == _nameServer : _peers.AsSpan(0, _peerCount).Contains(from.Address);
}
