using System.Buffers.Binary;
using System.Text;
using Vmm.Core.Backends;
using Vmm.Network.User;
using Vmm.Network.User.Dhcp;

namespace Vmm.Network.Tests.User;

public class DhcpTests
{
    private static readonly UserNetOptions Named = new() { HostName = "guest", Domain = "example.org", Mtu = 1400, ResolverFile = "/dev/null" };

    [Fact]
    public void Discover_Request_LeaseWithAllOptions()
    {
        using TestGuest guest = new(Named);
        (GotFrame frame, Dictionary<DhcpOption, byte[]> offer) = Ask(guest, DhcpMessageType.DHCPDISCOVER);
        Assert.Equal((byte)DhcpMessageType.DHCPOFFER, offer[DhcpOption.MessageType][0]);
        Assert.Equal((TestGuest.Gateway, TestGuest.Address, TestGuest.Mac), (frame.Ip.Source, frame.Ip.Destination, frame.To));
        Assert.Equal((67, 68), (frame.Udp.SourcePort, frame.Udp.DestinationPort));
        Assert.Equal(TestGuest.Address.Value, BinaryPrimitives.ReadUInt32BigEndian(frame.Payload.AsSpan(16)));
        (_, Dictionary<DhcpOption, byte[]> ack) = Ask(guest, DhcpMessageType.DHCPREQUEST, requested: TestGuest.Address, server: TestGuest.Gateway);
        Assert.Equal((byte)DhcpMessageType.DHCPACK, ack[DhcpOption.MessageType][0]);
        Assert.Equal([255, 255, 255, 0], ack[DhcpOption.SubnetMask]);
        Assert.Equal([10, 0, 2, 2], ack[DhcpOption.Router]);
        Assert.Equal([10, 0, 2, 3], ack[DhcpOption.DomainNameServer]);
        Assert.Equal([10, 0, 2, 2], ack[DhcpOption.ServerIdentifier]);
        Assert.Equal([0x05, 0x78], ack[DhcpOption.InterfaceMtu]);
        Assert.Equal([0, 1, 0x51, 0x80], ack[DhcpOption.LeaseTime]);
        Assert.Equal("guest", Encoding.ASCII.GetString(ack[DhcpOption.HostName]));
        Assert.Equal("example.org", Encoding.ASCII.GetString(ack[DhcpOption.DomainName]));
    }

    [Fact]
    public void Discover_BroadcastFlag_AnsweredByBroadcast()
    {
        using TestGuest guest = new();
        (GotFrame frame, _) = Ask(guest, DhcpMessageType.DHCPDISCOVER, flags: DhcpRequest.BroadcastFlag);
        Assert.Equal((Ipv4Address.Broadcast, MacAddress.Broadcast), (frame.Ip.Destination, frame.To));
    }

    [Fact]
    public void Request_SomebodyElsesAddress_Refused()
    {
        using TestGuest guest = new();
        Assert.Equal(DhcpMessageType.DHCPACK, TypeOf(Ask(guest, DhcpMessageType.DHCPREQUEST, requested: TestGuest.Address)));
        Assert.Equal(DhcpMessageType.DHCPNAK, TypeOf(Ask(guest, DhcpMessageType.DHCPREQUEST, requested: TestGuest.Address, client: 2)));
        Assert.Equal(DhcpMessageType.DHCPNAK, TypeOf(Ask(guest, DhcpMessageType.DHCPREQUEST, requested: TestGuest.Gateway, client: 2)));
        Assert.Equal(DhcpMessageType.DHCPNAK, TypeOf(Ask(guest, DhcpMessageType.DHCPREQUEST, requested: new(0xc0a80001), client: 2)));
    }

    [Fact]
    public void Clients_GetTheirOwnAddressAgain_OthersAnother()
    {
        using TestGuest guest = new();
        Assert.Equal(TestGuest.Address, AddressOf(Ask(guest, DhcpMessageType.DHCPDISCOVER)));
        Assert.Equal(new Ipv4Address(TestGuest.Address.Value + 1), AddressOf(Ask(guest, DhcpMessageType.DHCPDISCOVER, client: 2)));
        Assert.Equal(TestGuest.Address, AddressOf(Ask(guest, DhcpMessageType.DHCPDISCOVER)));
        Assert.Equal(DhcpMessageType.DHCPACK, TypeOf(Ask(guest, DhcpMessageType.DHCPREQUEST, requested: TestGuest.Address)));
        Send(guest, DhcpMessageType.DHCPRELEASE);
        Assert.Empty(guest.Drain());
        Assert.Equal(DhcpMessageType.DHCPACK, TypeOf(Ask(guest, DhcpMessageType.DHCPREQUEST, requested: TestGuest.Address, client: 3)));
    }

    [Fact]
    public void OneMachine_WithAnotherIdentifier_KeepsItsAddress()
    {
        using TestGuest guest = new();
        Assert.Equal(DhcpMessageType.DHCPACK, TypeOf(Ask(guest, DhcpMessageType.DHCPREQUEST, requested: TestGuest.Address)));
        Assert.Equal(TestGuest.Address, AddressOf(Ask(guest, DhcpMessageType.DHCPDISCOVER, identifier: 7)));
        Assert.Equal(DhcpMessageType.DHCPACK, TypeOf(Ask(guest, DhcpMessageType.DHCPREQUEST, requested: TestGuest.Address, identifier: 7)));
    }

    [Fact]
    public void Declined_Address_NotOfferedForAWhile()
    {
        using TestGuest guest = new();
        Ask(guest, DhcpMessageType.DHCPREQUEST, requested: TestGuest.Address);
        Send(guest, DhcpMessageType.DHCPDECLINE, requested: TestGuest.Address);
        Assert.NotEqual(TestGuest.Address, AddressOf(Ask(guest, DhcpMessageType.DHCPDISCOVER, requested: TestGuest.Address)));
    }

    [Fact]
    public void Inform_NoAddressAndNoLease()
    {
        using TestGuest guest = new TestGuest().Known();
        (GotFrame frame, Dictionary<DhcpOption, byte[]> ack) = Ask(guest, DhcpMessageType.DHCPINFORM, clientAddress: TestGuest.Address);
        Assert.Equal(DhcpMessageType.DHCPACK, (DhcpMessageType)ack[DhcpOption.MessageType][0]);
        Assert.Equal(0u, BinaryPrimitives.ReadUInt32BigEndian(frame.Payload.AsSpan(16)));
        Assert.False(ack.ContainsKey(DhcpOption.LeaseTime));
        Assert.True(ack.ContainsKey(DhcpOption.Router));
    }

    [Fact]
    public void Request_ForAnotherServer_Ignored()
    {
        using TestGuest guest = new();
        Send(guest, DhcpMessageType.DHCPREQUEST, requested: TestGuest.Address, server: new(0x0a000277));
        Assert.Empty(guest.Drain());
    }

    [Fact]
    public void Restricted_AddressButNoWayOut()
    {
        using TestGuest guest = new(new UserNetOptions { IsRestricted = true });
        (_, Dictionary<DhcpOption, byte[]> offer) = Ask(guest, DhcpMessageType.DHCPDISCOVER);
        Assert.False(offer.ContainsKey(DhcpOption.Router));
        Assert.False(offer.ContainsKey(DhcpOption.DomainNameServer));
        Assert.True(offer.ContainsKey(DhcpOption.SubnetMask));
    }

    [Fact]
    public void ManyClients_OutOfAddresses_SilentThenFreeAgain()
    {
        using TestGuest guest = new();
        HashSet<Ipv4Address> given = [];
        for (int client = 1; client <= 64; client++) Assert.True(given.Add(AddressOf(Ask(guest, DhcpMessageType.DHCPDISCOVER, client: client))));
        Send(guest, DhcpMessageType.DHCPDISCOVER, client: 65);
        Assert.Empty(guest.Drain());
        guest.Clock.Advance(61_000_000_000);
        Ask(guest, DhcpMessageType.DHCPDISCOVER, client: 65);
    }

    private static Ipv4Address AddressOf((GotFrame Frame, Dictionary<DhcpOption, byte[]> Options) answer)
        => new(BinaryPrimitives.ReadUInt32BigEndian(answer.Frame.Payload.AsSpan(16)));

    private static DhcpMessageType TypeOf((GotFrame Frame, Dictionary<DhcpOption, byte[]> Options) answer)
        => (DhcpMessageType)answer.Options[DhcpOption.MessageType][0];

    private static (GotFrame Frame, Dictionary<DhcpOption, byte[]> Options) Ask(TestGuest guest, DhcpMessageType type, Ipv4Address? requested = null,
        Ipv4Address? server = null, int client = 0, ushort flags = 0, Ipv4Address clientAddress = default, byte identifier = 0)
    {
        Send(guest, type, requested, server, client, flags, clientAddress, identifier);
        GotFrame frame = guest.Single();
        Assert.Equal(0x12345678u, BinaryPrimitives.ReadUInt32BigEndian(frame.Payload.AsSpan(4)));
        Dictionary<DhcpOption, byte[]> options = [];
        ReadOnlySpan<byte> rest = frame.Payload.AsSpan(240);
        while (rest[0] != 255)
        {
            options.Add((DhcpOption)rest[0], rest.Slice(2, rest[1]).ToArray());
            rest = rest[(2 + rest[1])..];
        }

        return (frame, options);
    }

    private static void Send(TestGuest guest, DhcpMessageType type, Ipv4Address? requested = null, Ipv4Address? server = null, int client = 0,
        ushort flags = 0, Ipv4Address clientAddress = default, byte identifier = 0)
    {
        byte[] message = new byte[300];
        (message[0], message[1], message[2]) = (1, 1, 6);
        BinaryPrimitives.WriteUInt32BigEndian(message.AsSpan(4), 0x12345678);
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(10), flags);
        BinaryPrimitives.WriteUInt32BigEndian(message.AsSpan(12), clientAddress.Value);
        TestGuest.Mac.Write(message.AsSpan(28));
        BinaryPrimitives.WriteUInt32BigEndian(message.AsSpan(236), DhcpRequest.Magic);
        List<byte> options = [53, 1, (byte)type];
        if (requested is { } r) options.AddRange([50, 4, (byte)(r.Value >> 24), (byte)(r.Value >> 16), (byte)(r.Value >> 8), (byte)r.Value]);
        if (server is { } s) options.AddRange([54, 4, (byte)(s.Value >> 24), (byte)(s.Value >> 16), (byte)(s.Value >> 8), (byte)s.Value]);
        if (client != 0) message[28 + 3] ^= (byte)client;
        if (identifier != 0) options.AddRange([61, 2, 0, identifier]);
        options.Add(255);
        options.CopyTo(message, 240);
        guest.SendUdp(clientAddress == default ? Ipv4Address.Broadcast : TestGuest.Gateway, 68, 67, message, from: clientAddress);
    }
}
