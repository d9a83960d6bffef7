using Vmm.Core.Backends;
using Vmm.Host;
using Vmm.Host.Sockets;
using Vmm.Network.User;
using Vmm.Network.User.Packets;

namespace Vmm.Network.Tests.User;

public class UdpTests
{
    [Fact]
    public void Datagram_Elsewhere_GoesOnAndAnswersComeBack()
    {
        using TestGuest guest = new TestGuest().Known();
        guest.SendUdp(TestGuest.Elsewhere, 4000, 123, [1, 2, 3]);
        FakeDatagrams socket = Assert.Single(guest.Host.Datagrams);
        (byte[] sent, InetEndPoint to) = Assert.Single(socket.Sent);
        Assert.Equal([1, 2, 3], sent);
        Assert.Equal(TestGuest.At("198.51.100.1", 123), to);
        socket.Arrive([4, 5], TestGuest.At("198.51.100.1", 123));
        socket.Arrive([6], TestGuest.At("198.51.100.1", 999)); // TFTP answers from another port
        socket.Arrive([7], TestGuest.At("198.51.100.9", 123)); // a stranger
        List<GotFrame> got = guest.Drain();
        Assert.Equal(2, got.Count);
        Assert.Equal(((IpAddress)TestGuest.Elsewhere, 123, 4000), (got[0].Ip.Source, got[0].Udp.SourcePort, got[0].Udp.DestinationPort));
        Assert.Equal([4, 5], got[0].Payload);
        Assert.Equal(999, got[1].Udp.SourcePort);
    }

    [Fact]
    public void Gateway_LeadsToLoopback_UnlessOff()
    {
        using TestGuest open = new TestGuest().Known();
        open.SendUdp(TestGuest.Gateway, 4000, 5000, [1]);
        FakeDatagrams socket = Assert.Single(open.Host.Datagrams);
        Assert.Equal(TestGuest.At("127.0.0.1", 5000), socket.Sent[0].To);
        socket.Arrive([2], TestGuest.At("127.0.0.1", 5000));
        Assert.Equal(TestGuest.Gateway, open.Single().Ip.Source);

        using TestGuest closed = new TestGuest(new UserNetOptions { ReachesLoopback = false }).Known();
        closed.SendUdp(TestGuest.Gateway, 4000, 5000, [1]);
        GotFrame error = closed.Single();
        Assert.Equal((IcmpMessage.DEST_UNREACH, IcmpMessage.PORT_UNREACH), (error.Payload[0], error.Payload[1]));
        Assert.Empty(closed.Host.Datagrams);
    }

    [Fact]
    public void LongDatagrams_BothWays_InFragments()
    {
        using TestGuest guest = new TestGuest().Known();
        byte[] data = new byte[5000];
        new Random(1).NextBytes(data);
        byte[] datagram = new byte[8 + data.Length];
        new UdpHeader(4000, 5000, datagram.Length, 0).Write(datagram);
        data.CopyTo(datagram, 8);
        foreach (int at in (int[])[2960, 0, 1480]) // out of order
            guest.SendIp(TestGuest.Elsewhere, IpHeader.IPPROTO_UDP, datagram.AsSpan(at, Math.Min(at == 2960 ? 9999 : 1480, datagram.Length - at)),
                fragmentOffset: at, more: at != 2960);
        FakeDatagrams socket = Assert.Single(guest.Host.Datagrams);
        Assert.Equal(data, Assert.Single(socket.Sent).Data);
        socket.Arrive(data, TestGuest.At("198.51.100.1", 5000));
        List<GotFrame> got = guest.Drain();
        Assert.Equal(4, got.Count);
        Assert.All(got, f => Assert.InRange(f.Ip.TotalBytes, 21, 1500));
        byte[] back = [.. got.OrderBy(f => f.Ip.FragmentOffset).SelectMany(f => f.Bytes[46..])];
        Assert.Equal(data, back[8..]);
    }

    [Fact]
    public void Fragments_HostileOnes_NeverWholeAndBounded()
    {
        using TestGuest guest = new TestGuest().Known();
        for (int i = 0; i < 2000; i++) guest.SendIp(new Ipv4Address(0xc6336400u + (uint)i % 200), IpHeader.IPPROTO_UDP, new byte[8 * (1 + i % 180)], fragmentOffset: i * 8 % 65528, more: true);
        guest.SendIp(TestGuest.Elsewhere, IpHeader.IPPROTO_UDP, new byte[1480], fragmentOffset: 65528, more: false);
        Assert.Empty(guest.Host.Datagrams);
    }

    [Fact]
    public void Overlap_EndsThePacket()
    {
        using TestGuest guest = new TestGuest().Known();
        guest.SendIp(TestGuest.Elsewhere, IpHeader.IPPROTO_UDP, new byte[16], fragmentOffset: 0, more: true);
        guest.SendIp(TestGuest.Elsewhere, IpHeader.IPPROTO_UDP, new byte[16], fragmentOffset: 8, more: true);
        guest.SendIp(TestGuest.Elsewhere, IpHeader.IPPROTO_UDP, new byte[16], fragmentOffset: 16, more: false);
        Assert.Empty(guest.Host.Datagrams);
    }

    [Fact]
    public void LongSegment_CutIntoDatagrams()
    {
        using TestGuest guest = new(accepted: NetOffloads.Checksum);
        guest.Known();
        byte[] datagram = new byte[8 + 2500];
        new UdpHeader(4000, 5000, datagram.Length, 0).Write(datagram);
        NetHeader header = new(NetHeaderFlags.VIRTIO_NET_HDR_F_NEEDS_CSUM, NetSegmentation.VIRTIO_NET_HDR_GSO_UDP_L4, 42, 1000, 34, 6);
        Assert.Equal(NetSendResult.Sent, guest.SendIp(TestGuest.Elsewhere, IpHeader.IPPROTO_UDP, datagram, header));
        Assert.Equal([1000, 1000, 500], guest.Host.Datagrams[0].Sent.Select(s => s.Data.Length));
    }

    [Fact]
    public void BadChecksum_Dropped()
    {
        using TestGuest guest = new TestGuest().Known();
        byte[] datagram = new byte[12];
        new UdpHeader(4000, 5000, datagram.Length, 0x1234).Write(datagram);
        Assert.Equal(NetSendResult.Dropped, guest.SendIp(TestGuest.Elsewhere, IpHeader.IPPROTO_UDP, datagram));
    }

    [Fact]
    public void IcmpErrors_OfTheHost_ReachTheGuest()
    {
        using TestGuest guest = new TestGuest().Known();
        guest.SendUdp(TestGuest.Gateway, 4000, 5000, [1]);
        guest.Host.Datagrams[0].Fail(new(3, 3, 0, TestGuest.At("127.0.0.1", 0), TestGuest.At("127.0.0.1", 5000), 0));
        GotFrame error = guest.Single();
        Assert.Equal((3, 3), (error.Payload[0], error.Payload[1]));
        ArpAndIcmpTests.AssertQuotes(error, TestGuest.Gateway, IpHeader.IPPROTO_UDP);
        Assert.Equal([0x0f, 0xa0, 0x13, 0x88], error.Payload[28..32]);
    }

    [Fact]
    public void NoSuchMachine_HostUnreachable_BroadcastsAreSilent()
    {
        using TestGuest guest = new TestGuest().Known();
        guest.SendUdp(new Ipv4Address(0x0a000263), 4000, 5000, [1]);
        Assert.Equal(IcmpMessage.HOST_UNREACH, guest.Single().Payload[1]);
        guest.SendUdp(new Ipv4Address(0x0a0002ff), 4000, 5000, [1]);
        guest.SendUdp(Ipv4Address.Broadcast, 4000, 5000, [1]);
        guest.SendUdp(new Ipv4Address(0xe0000001), 4000, 5000, [1]);
        guest.SendUdp(Ipv4Address.Loopback, 4000, 5000, [1]);
        Assert.Empty(guest.Drain());
        Assert.Empty(guest.Host.Datagrams);
    }

    [Fact]
    public void Flows_TooManyOrIdle_AreClosed()
    {
        using TestGuest guest = new TestGuest().Known();
        for (int i = 0; i < 2000; i++) guest.SendUdp(TestGuest.Elsewhere, (ushort)(1 + i), 5000, [1]);
        Assert.Equal(512, guest.Host.Datagrams.Count(s => !s.IsClosed));
        guest.Host.Datagrams[^1].Arrive([1], TestGuest.At("198.51.100.1", 5000));
        guest.Drain();
        guest.Clock.Advance(35_000_000_000);
        Assert.Equal(1, guest.Net.Statistics.UdpNow); // the one that was answered stays longer
        guest.Clock.Advance(100_000_000_000);
        Assert.Equal(0, guest.Net.Statistics.UdpNow);
    }

    [Fact]
    public void Restricted_NothingLeaves()
    {
        using TestGuest guest = new TestGuest(new UserNetOptions { IsRestricted = true }).Known();
        guest.SendUdp(TestGuest.Elsewhere, 4000, 5000, [1]);
        guest.SendUdp(TestGuest.Gateway, 4000, 5000, [1]);
        guest.SendUdp(TestGuest.NameServer, 4000, 53, [1]);
        guest.SendEcho(TestGuest.Elsewhere, 1, 1);
        Assert.Empty(guest.Host.Datagrams);
        Assert.All(guest.Drain(), f => Assert.Equal(IcmpMessage.PKT_FILTERED, f.Payload[1]));
    }

    [Fact]
    public void Forward_In_AnswersGoBackToTheirSender()
    {
        Assert.True(PortForward.TryParse("udp:127.0.0.1:9000-:53", out PortForward? forward, out _));
        using TestGuest guest = new TestGuest(new UserNetOptions { Forwards = [forward!] }).Known();
        FakeDatagrams port = Assert.Single(guest.Host.Datagrams);
        port.Arrive([1], TestGuest.At("127.0.0.1", 3333));
        port.Arrive([2], TestGuest.At("192.0.2.9", 3333));
        List<GotFrame> got = guest.Drain();
        Assert.Equal([(TestGuest.Gateway, (ushort)3333), (new Ipv4Address(0xc0000209), (ushort)3333)], got.Select(f => (f.Ip.Source, f.Udp.SourcePort)));
        Assert.All(got, f => Assert.Equal(((IpAddress)TestGuest.Address, 53), (f.Ip.Destination, f.Udp.DestinationPort)));
        guest.SendUdp(TestGuest.Gateway, 53, 3333, [9]);
        (byte[] answer, InetEndPoint to) = Assert.Single(port.Sent);
        Assert.Equal([9], answer);
        Assert.Equal(TestGuest.At("127.0.0.1", 3333), to);
        guest.SendUdp(TestGuest.Gateway, 53, 3334, [9]); // to nobody who has written
        Assert.Equal(2, guest.Host.Datagrams.Count);
    }

    [Fact]
    public void NameServer_IsTheHosts_ReadAgainWhenItChanges()
    {
        string file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, "# made by hand\nnameserver 127.0.0.53\nnameserver 192.0.2.53\nnameserver ::1\n");
            using TestGuest guest = new TestGuest(new UserNetOptions { ResolverFile = file }).Known();
            guest.SendUdp(TestGuest.NameServer, 4000, 53, [1]);
            Assert.Equal(TestGuest.At("127.0.0.53", 53), guest.Host.Datagrams[^1].Sent[^1].To);
            guest.Host.Datagrams[^1].Arrive([2], TestGuest.At("127.0.0.53", 53));
            GotFrame answer = guest.Single();
            Assert.Equal(((IpAddress)TestGuest.NameServer, 53, 4000), (answer.Ip.Source, answer.Udp.SourcePort, answer.Udp.DestinationPort));
            for (int i = 0; i < 3; i++) guest.SendUdp(TestGuest.NameServer, 4000, 53, [1]); // the first does not answer any more
            Assert.Equal(TestGuest.At("192.0.2.53", 53), guest.Host.Datagrams[^1].Sent[^1].To);
            File.WriteAllText(file, "nameserver 192.0.2.99\n");
            File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddSeconds(5));
            guest.Clock.Advance(2_000_000_000);
            guest.SendUdp(TestGuest.NameServer, 4000, 53, [1]);
            Assert.Equal(TestGuest.At("192.0.2.99", 53), guest.Host.Datagrams[^1].Sent[^1].To);
            guest.SendUdp(TestGuest.NameServer, 4000, 5353, [1]);
            Assert.Equal(IcmpMessage.PORT_UNREACH, guest.Single().Payload[1]);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public void Forward_PortTaken_ClearError()
    {
        PortForward forward = new(false, Ipv4Address.Loopback, 2222, null, 22);
        using EpollLoop loop = new("test", _ => { });
        using HostClock clock = new(loop, _ => { });
        Assert.Equal(SocketStatus.Ok, InetSocket.TryOpen(SocketKind.Stream, false, out InetSocket? taken));
        using InetSocket socket = taken!;
        Assert.Equal(SocketStatus.Ok, socket.Bind(InetEndPoint.V4(Ipv4Address.Loopback.Value, 0), reuse: true));
        Assert.Equal(SocketStatus.Ok, socket.Listen());
        forward = forward with { HostPort = socket.LocalEndPoint.Port };
        LinuxException error = Assert.Throws<LinuxException>(() => new UserNetwork(new UserNetOptions { Forwards = [forward] }, loop, clock));
        Assert.Contains($"tcp:127.0.0.1:{forward.HostPort}-:22: the host's port is in use", error.Message, StringComparison.Ordinal);
    }
}
