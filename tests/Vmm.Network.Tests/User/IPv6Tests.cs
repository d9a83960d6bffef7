using System.Buffers.Binary;
using Vmm.Core.Backends;
using Vmm.Host.Sockets;
using Vmm.Network.User;
using Vmm.Network.User.Packets;
using static Vmm.Network.User.Packets.IcmpV6Message;

namespace Vmm.Network.Tests.User;

public class IPv6Tests
{
    private static readonly IpAddress s_router = TestGuest.V6("fe80::2"), s_host = TestGuest.V6("fd00::2"), s_dns = TestGuest.V6("fd00::3");
    private static readonly IpAddress s_allNodes = TestGuest.V6("ff02::1"), s_allRouters = TestGuest.V6("ff02::2");
    private static readonly IpAddress s_linkLocal = TestGuest.V6("fe80::5054:ff:fe12:3456");
    private static readonly UserNetOptions s_options = new() { HasIPv6 = true, ResolverFile = "/dev/null" };

    [Fact]
    public void RouterSolicit_Answered_WithPrefixAndNameServer()
    {
        using TestGuest guest = new(s_options with { Domain = "guests.example", Mtu = 1400 });
        guest.SendNeighbour(ND_ROUTER_SOLICIT, s_allRouters, [], from: default(IpAddress));
        GotFrame got = guest.Single();
        Assert.Equal((s_router, s_allNodes, 255, ND_ROUTER_ADVERT), (got.Ip.Source, got.Ip.Destination, got.Ip.Hops, got.Payload[0]));
        Assert.Equal(new MacAddress(0x333300000001), got.To);
        Assert.Equal(1800, BinaryPrimitives.ReadUInt16BigEndian(got.Payload.AsSpan(6)));
        Dictionary<byte, byte[]> options = Options(got.Payload.AsSpan(16));
        Assert.Equal((64, 0xc0), (options[3][2], options[3][3]));
        Assert.Equal(TestGuest.V6("fd00::"), IpAddress.Read(options[3].AsSpan(16)));
        Assert.Equal(1400u, BinaryPrimitives.ReadUInt32BigEndian(options[5].AsSpan(4)));
        Assert.Equal(s_dns, IpAddress.Read(options[25].AsSpan(8)));
        Assert.Equal("\u0006guests\u0007example\0", System.Text.Encoding.ASCII.GetString(options[31].AsSpan(8, 16)));
    }

    [Fact]
    public void RouterAdvertisement_Restricted_IsNoWayOut()
    {
        using TestGuest guest = new(s_options with { IsRestricted = true });
        guest.SendNeighbour(ND_ROUTER_SOLICIT, s_allRouters, [], from: default(IpAddress));
        GotFrame got = guest.Single();
        Assert.Equal(0, BinaryPrimitives.ReadUInt16BigEndian(got.Payload.AsSpan(6)));
        Assert.Equal((byte[])[1, 3, 5], Options(got.Payload.AsSpan(16)).Keys.Order().ToArray());
    }

    [Fact]
    public void RouterAdvertisement_ComesAgain_BeforeItsTimeIsOver()
    {
        using TestGuest guest = new(s_options);
        guest.Clock.Advance(3600_000_000_000);
        Assert.Empty(guest.Drain()); // a guest without IPv6 hears nothing of it
        guest.SendNeighbour(ND_ROUTER_SOLICIT, s_allRouters, [], from: default(IpAddress));
        guest.Single();
        for (int i = 0; i < 3; i++)
        {
            guest.Clock.Advance(601_000_000_000);
            Assert.Equal(ND_ROUTER_ADVERT, guest.Single().Payload[0]);
        }
    }

    [Theory]
    [InlineData("fe80::2")]
    [InlineData("fd00::2")]
    [InlineData("fd00::3")]
    public void NeighbourSolicit_ForOurs_Answered(string target)
    {
        using TestGuest guest = new(s_options);
        guest.SendNeighbour(ND_NEIGHBOR_SOLICIT, TestGuest.V6("ff02::1:ff00:2"), Sixteen(TestGuest.V6(target)));
        GotFrame got = guest.Single();
        Assert.Equal((TestGuest.V6(target), TestGuest.AddressV6, 255), (got.Ip.Source, got.Ip.Destination, got.Ip.Hops));
        Assert.Equal((ND_NEIGHBOR_ADVERT, 0xe0), (got.Payload[0], got.Payload[4]));
        Assert.Equal((TestGuest.Mac, got.From), (got.To, MacAddress.Read(got.Payload.AsSpan(26))));
    }

    [Fact]
    public void NeighbourSolicit_WhoTakesOurAddress_AllHear_OthersAreFree()
    {
        using TestGuest guest = new(s_options);
        guest.SendNeighbour(ND_NEIGHBOR_SOLICIT, TestGuest.V6("ff02::1:ff00:2"), Sixteen(s_host), from: default(IpAddress));
        GotFrame got = guest.Single();
        Assert.Equal((s_allNodes, 0xa0), (got.Ip.Destination, got.Payload[4]));
        guest.SendNeighbour(ND_NEIGHBOR_SOLICIT, TestGuest.V6("ff02::1:ff12:3456"), Sixteen(TestGuest.AddressV6), from: default(IpAddress));
        Assert.Empty(guest.Drain());
    }

    [Fact]
    public void NeighbourMessages_FromAfarOrBroken_AreIgnored()
    {
        using TestGuest guest = new(s_options);
        guest.SendNeighbour(ND_NEIGHBOR_SOLICIT, s_host, Sixteen(s_host), hops: 254);
        guest.SendNeighbour(ND_NEIGHBOR_SOLICIT, s_host, Sixteen(s_host), code: 1);
        guest.SendNeighbour(ND_NEIGHBOR_SOLICIT, s_host, [1, 2, 3]);
        guest.SendNeighbour(ND_ROUTER_ADVERT, s_allNodes, new byte[8]);
        Assert.Empty(guest.Drain());
    }

    [Fact]
    public void Off_NothingIsSaid()
    {
        using TestGuest guest = new();
        Assert.Equal(NetSendResult.Dropped, guest.SendNeighbour(ND_ROUTER_SOLICIT, s_allRouters, [], from: default(IpAddress)));
        Assert.Equal(NetSendResult.Dropped, guest.SendUdp(TestGuest.ElsewhereV6, 1, 2, [1]));
        Assert.Empty(guest.Drain());
    }

    [Theory]
    [InlineData(16)]
    [InlineData(1452)]
    [InlineData(1453)]
    [InlineData(20000)]
    public void Echo_ToTheGateway_AnsweredWhole(int bytes)
    {
        using TestGuest guest = Known();
        guest.SendEcho(s_host, 5, 9, bytes);
        List<GotFrame> frames = guest.Drain();
        Assert.Equal(bytes + 8 <= 1460 ? 1 : (bytes + 8 + 1447) / 1448, frames.Count);
        Assert.Equal(bytes + 8, frames.Sum(f => f.Ip.PayloadBytes));
        Assert.All(frames, f => Assert.True(f.Ip.TotalBytes <= 1500 && f.Ip.Protocol == IpHeader.IPPROTO_ICMPV6));
        if (frames.Count == 1) Assert.Equal(ICMP6_ECHO_REPLY, frames[0].Payload[0]);
    }

    [Fact]
    public void Echo_Elsewhere_GoesOnAndComesBack()
    {
        using TestGuest guest = Known();
        guest.SendEcho(TestGuest.ElsewhereV6, 5, 9, hops: 30);
        FakeDatagrams socket = Assert.Single(guest.Host.Datagrams);
        (byte[] sent, InetEndPoint to) = Assert.Single(socket.Sent);
        Assert.Equal(TestGuest.At("2001:db8::1", 0), to);
        Assert.Equal((ICMP6_ECHO_REQUEST, (byte)29), (sent[0], socket.TimeToLive));
        byte[] reply = [.. sent];
        reply[0] = ICMP6_ECHO_REPLY;
        socket.Arrive(reply, to);
        GotFrame got = guest.Single();
        Assert.Equal((TestGuest.ElsewhereV6, TestGuest.AddressV6, 5), (got.Ip.Source, got.Ip.Destination, BinaryPrimitives.ReadUInt16BigEndian(got.Payload.AsSpan(IcmpMessage.IdAt))));
    }

    [Fact]
    public void Datagram_Elsewhere_GoesOnAndComesBack_LongOnesInFragments()
    {
        using TestGuest guest = Known();
        guest.SendUdp(TestGuest.ElsewhereV6, 4000, 5000, [1, 2, 3]);
        FakeDatagrams socket = Assert.Single(guest.Host.Datagrams);
        Assert.Equal(TestGuest.At("2001:db8::1", 5000), Assert.Single(socket.Sent).To);
        socket.Arrive(new byte[4000], TestGuest.At("2001:db8::1", 5000));
        List<GotFrame> frames = guest.Drain();
        Assert.Equal(3, frames.Count);
        Assert.Equal((4008, 1), (frames.Sum(f => f.Ip.PayloadBytes), frames.Select(f => f.Ip.Id).Distinct().Count()));
    }

    [Fact]
    public void Datagram_InFragments_IsPutTogether()
    {
        using TestGuest guest = Known();
        byte[] datagram = new byte[3000];
        new UdpHeader(4000, 5000, datagram.Length, 0).Write(datagram);
        InternetChecksum sum = default;
        sum.AddPseudoHeader(TestGuest.AddressV6, TestGuest.ElsewhereV6, IpHeader.IPPROTO_UDP, datagram.Length);
        sum.Add(datagram);
        BinaryPrimitives.WriteUInt16BigEndian(datagram.AsSpan(UdpHeader.ChecksumAt), sum.Value);
        foreach (int at in (int[])[1448, 0, 2896])
            guest.SendIp(TestGuest.ElsewhereV6, IpHeader.IPPROTO_UDP, datagram.AsSpan(at, Math.Min(1448, 3000 - at)), fragmentOffset: at, more: at != 2896);
        Assert.Equal(2992, Assert.Single(Assert.Single(guest.Host.Datagrams).Sent).Data.Length);
    }

    [Fact]
    public void Datagram_WithoutChecksum_IsNone()
    {
        using TestGuest guest = Known();
        byte[] datagram = new byte[16];
        new UdpHeader(4000, 5000, datagram.Length, 0).Write(datagram);
        Assert.Equal(NetSendResult.Dropped, guest.SendIp(TestGuest.ElsewhereV6, IpHeader.IPPROTO_UDP, datagram));
    }

    [Fact]
    public void Gateway_IsTheHostsLoopback_NameServerTheHosts_OthersOnTheWireNobody()
    {
        using TestGuest guest = Known();
        guest.SendUdp(s_host, 4000, 5000, [1]);
        Assert.Equal(TestGuest.At("::1", 5000), Assert.Single(guest.Host.Datagrams).Sent[0].To);
        guest.Host.Datagrams[0].Arrive([2], TestGuest.At("::1", 5000));
        Assert.Equal(s_host, guest.Single().Ip.Source);
        // The file of this test's name servers is empty, which stands for the host's own.
        guest.SendUdp(s_dns, 4001, 53, [1]);
        Assert.Equal(TestGuest.At("127.0.0.1", 53), guest.Host.Datagrams[1].Sent[0].To);
        guest.Host.Datagrams[1].Arrive([2], TestGuest.At("127.0.0.1", 53));
        Assert.Equal(s_dns, guest.Single().Ip.Source);
        guest.SendUdp(TestGuest.V6("fd00::77"), 4000, 5000, [1]);
        GotFrame error = guest.Single();
        Assert.Equal((s_host, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADDR), (error.Ip.Source, error.Payload[0], error.Payload[1]));
    }

    [Theory]
    [InlineData("::1")]
    [InlineData("::")]
    [InlineData("::127.0.0.1")]
    [InlineData("ff02::1")]
    [InlineData("ff0e::1")]
    public void AddressesOfNobody_LeadNowhere(string to)
    {
        using TestGuest guest = Known();
        guest.SendUdp(TestGuest.V6(to), 4000, 5000, [1]);
        guest.SendTcp(TestGuest.V6(to), new TcpHeader(4000, 80, 1, 0, TcpFlags.SYN, 1000, 0));
        guest.SendEcho(TestGuest.V6(to), 1, 1);
        Assert.Empty(guest.Drain());
        Assert.Empty(guest.Host.Datagrams);
        Assert.Empty(guest.Host.Streams);
    }

    [Fact]
    public void MappedAddresses_AreNoneOfIPv4()
    {
        using TestGuest guest = Known();
        // fd00::2 becomes ::ffff:127.0.0.1 behind the checksum's back: the sum is made for what is sent.
        byte[] segment = new byte[20];
        new TcpHeader(4000, 22, 1, 0, TcpFlags.SYN, 1000, 0).Write(segment);
        IpAddress mapped = IpAddress.FromV4(0x7f000001);
        byte[] packet = new byte[INetBackend.HeaderBytes + Ethernet.HeaderBytes + 40 + 20];
        Ethernet.Write(packet.AsSpan(INetBackend.HeaderBytes), HostMac.Of(TestGuest.Gateway), TestGuest.Mac, Ethernet.ETHERTYPE_IPV6);
        new IpHeader(TestGuest.AddressV6, s_host, IpHeader.IPPROTO_TCP, 64, 40, 60).Write(packet.AsSpan(26));
        mapped.Write(packet.AsSpan(26 + 24));
        InternetChecksum sum = default;
        sum.AddPseudoHeader(TestGuest.AddressV6, mapped, IpHeader.IPPROTO_TCP, segment.Length);
        sum.Add(segment);
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(TcpHeader.ChecksumAt), sum.Value);
        segment.CopyTo(packet, 66);
        Assert.Equal(NetSendResult.Dropped, guest.SendFrame(packet));
        Assert.Empty(guest.Host.Streams);
    }

    [Fact]
    public void Restricted_NothingLeaves()
    {
        using TestGuest guest = new(s_options with { IsRestricted = true });
        foreach (IpAddress to in (IpAddress[])[s_host, s_dns, TestGuest.ElsewhereV6])
        {
            guest.SendTcp(to, new TcpHeader(4000, 80, 1, 0, TcpFlags.SYN, 1000, 0));
            guest.SendUdp(to, 4000, 53, [1]);
        }

        guest.SendEcho(TestGuest.ElsewhereV6, 1, 1);
        Assert.Empty(guest.Host.Datagrams);
        Assert.Empty(guest.Host.Streams);
        Assert.All(guest.Drain(), f => Assert.Equal((ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADMIN), (f.Payload[0], f.Payload[1])));
    }

    [Fact]
    public void LinkLocalGuest_ReachesTheGatewayOnly()
    {
        using TestGuest guest = Known();
        Assert.Equal(NetSendResult.Dropped, guest.SendUdp(TestGuest.ElsewhereV6, 1, 2, [1], from: s_linkLocal));
        guest.SendUdp(s_router, 4000, 5000, [1], from: s_linkLocal);
        guest.Host.Datagrams[0].Arrive([2], TestGuest.At("::1", 5000));
        GotFrame got = guest.Single();
        Assert.Equal((s_router, s_linkLocal), (got.Ip.Source, got.Ip.Destination));
    }

    [Fact]
    public void HopLimit_EndsAtTheGateway()
    {
        using TestGuest guest = Known();
        guest.SendUdp(TestGuest.ElsewhereV6, 4000, 33434, [1, 2, 3], hops: 1);
        GotFrame got = guest.Single();
        Assert.Equal((ICMP6_TIME_EXCEEDED, s_host), (got.Payload[0], got.Ip.Source));
        Assert.True(Ipv6Header.TryRead(got.Payload.AsSpan(8), ushort.MaxValue, false, out IpHeader quoted));
        Assert.Equal((TestGuest.AddressV6, TestGuest.ElsewhereV6, IpHeader.IPPROTO_UDP), (quoted.Source, quoted.Destination, quoted.Protocol));
    }

    [Theory]
    [InlineData(NetOffloads.None)]
    [InlineData(NetOffloads.Checksum | NetOffloads.Tso6)]
    public void Connection_OpensCarriesAndEnds(NetOffloads offloads)
    {
        using TestGuest guest = Known(offloads);
        guest.SendTcp(TestGuest.ElsewhereV6, new TcpHeader(4000, 80, 1000, 0, TcpFlags.SYN, 60000, 0, SegmentSize: 1440));
        FakeStream stream = Assert.Single(guest.Host.Streams);
        Assert.Equal(TestGuest.At("2001:db8::1", 80), stream.Remote);
        stream.Connected();
        GotFrame syn = guest.Single();
        Assert.Equal((TcpFlags.SYN | TcpFlags.ACK, (ushort)1440), (syn.Tcp.Flags, syn.Tcp.SegmentSize));
        guest.SendTcp(TestGuest.ElsewhereV6, new TcpHeader(4000, 80, 1001, syn.Tcp.Sequence + 1, TcpFlags.ACK | TcpFlags.PSH, 60000, 0), "hello"u8);
        Assert.Equal("hello"u8.ToArray(), stream.FromGuest.ToArray());
        _ = guest.Drain();
        stream.Feed(new byte[5000]);
        List<GotFrame> frames = guest.Drain();
        Assert.Equal(5000, frames.Sum(f => f.Payload.Length));
        Assert.Equal(offloads == NetOffloads.None ? 4 : 1, frames.Count);
        if (offloads == NetOffloads.None) return;
        Assert.Equal((NetSegmentation.VIRTIO_NET_HDR_GSO_TCPV6, (ushort)1440, (ushort)54), (frames[0].Header.Segmentation, frames[0].Header.SegmentSize, frames[0].Header.ChecksumStart));
    }

    [Fact]
    public void Connection_HostHasNoIPv6_GuestHearsAtOnce()
    {
        using TestGuest guest = Known();
        guest.Host.ConnectAnswer = SocketStatus.NetUnreachable;
        guest.SendTcp(TestGuest.ElsewhereV6, new TcpHeader(4000, 80, 1000, 0, TcpFlags.SYN, 60000, 0));
        GotFrame error = guest.Single();
        Assert.Equal((ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOROUTE), (error.Payload[0], error.Payload[1]));
    }

    [Fact]
    public void Forward_ToAGuestNeverHeardOf_IsAskedForFirst()
    {
        Assert.True(PortForward.TryParse("tcp:127.0.0.1:2222-[fd00::5054:ff:fe12:3456]:22", out PortForward? forward, out _));
        Assert.Equal("tcp:127.0.0.1:2222-[fd00::5054:ff:fe12:3456]:22", forward!.ToString());
        using TestGuest guest = new(s_options with { Forwards = [forward] });
        guest.Host.Listeners[TestGuest.At("127.0.0.1", 2222)].Connect(TestGuest.At("127.0.0.1", 40000));
        GotFrame ask = guest.Single();
        Assert.Equal((ND_NEIGHBOR_SOLICIT, TestGuest.V6("ff02::1:ff12:3456"), TestGuest.AddressV6), (ask.Payload[0], ask.Ip.Destination, IpAddress.Read(ask.Payload.AsSpan(8))));
        guest.SendNeighbour(ND_NEIGHBOR_ADVERT, s_router, Sixteen(TestGuest.AddressV6));
        guest.Clock.Advance(1_100_000_000);
        GotFrame syn = Assert.Single(guest.Drain(), f => f.Ip.Protocol == IpHeader.IPPROTO_TCP);
        Assert.Equal((s_host, TestGuest.AddressV6, (ushort)22), (syn.Ip.Source, syn.Ip.Destination, syn.Tcp.DestinationPort));
    }

    private static TestGuest Known(NetOffloads offloads = NetOffloads.None)
    {
        TestGuest guest = new(s_options, offloads);
        guest.SendNeighbour(ND_NEIGHBOR_SOLICIT, s_router, Sixteen(s_router));
        guest.SendNeighbour(ND_NEIGHBOR_SOLICIT, s_router, Sixteen(s_router), from: s_linkLocal);
        Assert.Equal(2, guest.Drain().Count);
        return guest;
    }

    private static byte[] Sixteen(IpAddress address)
    {
        byte[] bytes = new byte[IpAddress.V6Bytes];
        address.Write(bytes);
        return bytes;
    }

    private static Dictionary<byte, byte[]> Options(ReadOnlySpan<byte> rest)
    {
        Dictionary<byte, byte[]> options = [];
        while (!rest.IsEmpty)
        {
            options.Add(rest[0], rest[..(8 * rest[1])].ToArray());
            rest = rest[(8 * rest[1])..];
        }

        return options;
    }
}
