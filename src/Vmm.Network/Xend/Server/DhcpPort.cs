using Vmm.Core.Backends;
using Vmm.Core.Time;
using Vmm.Host;
using Vmm.Host.Sockets;
using Vmm.Network.User;
using Vmm.Network.User.Dhcp;
using Vmm.Network.User.Packets;

namespace Vmm.Network.Xend.Server;

/// <summary>DHCP on a bridge of the host.</summary>
internal sealed class DhcpPort : IDhcpLink, IDisposable
{
    private const int MostBytes = 2048, AtOnce = 32;

    private readonly InetSocket _socket;
    private readonly EpollRegistration _registration;
    private readonly Reservations _reservations;
    private readonly LeaseFile _file;
    private readonly DhcpServer _server;
    private readonly byte[] _buffer = new byte[MostBytes];

    public DhcpPort(EpollLoop loop, IClock clock, UserNetOptions options, string bridge, Reservations reservations, LeaseFile file)
    {
        (Options, Clock, _reservations, _file) = (options, clock, reservations, file);
        _server = new DhcpServer(this);
        foreach ((Ipv4Address address, byte[] identity) in file.Load()) _server.Remember(address, identity);
        _socket = GuestServer.Open(SocketKind.Datagram, InetEndPoint.V4(0, DhcpServer.ServerPort), bridge, "DHCP");
        _socket.AllowBroadcast();
        _registration = loop.Add(_socket.Fd, EpollEvents.Readable, OnReady);
    }

    public UserNetOptions Options { get; }

    public IClock Clock { get; }

    public int MostLeases => 1024;

    public bool KnowsByMac => false;

    public Ipv4Address? ReservedFor(MacAddress mac) => _reservations.Find(mac) is { } address && Options.Network.IsHost(address) ? address : null;

    public bool IsReserved(Ipv4Address address) => _reservations.Has(address);

    public void Bound(Ipv4Address address, ReadOnlySpan<byte> identity) => _file.Save(address, identity);

    public void SendReply(Ipv4Address to, MacAddress mac, bool answersArp, Span<byte> datagram)
    {
        // The kernel would ask by ARP for who has the address, and nobody has it yet (RFC 2131 §4.1 allows this, too).
        Ipv4Address target = answersArp ? to : Ipv4Address.Broadcast;
        _ = _socket.SendTo(datagram[UdpHeader.Bytes..], InetEndPoint.V4(target.Value, DhcpServer.ClientPort));
    }

    public void Dispose()
    {
        _registration.Dispose();
        _socket.Dispose();
        _file.Dispose();
    }

    private void OnReady(EpollEvents events)
    {
        for (int i = 0; i < AtOnce; i++)
        {
            if (_socket.ReceiveFrom(_buffer, out int count, out _) != SocketStatus.Ok) return;
            _server.Input(_buffer.AsSpan(0, count));
        }
    }
}
