using System.Buffers.Binary;
using Vmm.Core.Backends;
using Vmm.Host.Sockets;
using Vmm.Network.User.Packets;

namespace Vmm.Network.Tests.User;

public class ArpAndIcmpTests
{
    [Fact]
    public void Arp_ForGatewayAndNameServer_AnsweredForNobodyElse()
    {
        using TestGuest guest = new();
        guest.SendArp(ArpPacket.REQUEST, TestGuest.Gateway);
        GotFrame answer = guest.Single();
        Assert.Equal(ArpPacket.REPLY, answer.Arp.Operation);
        Assert.Equal((TestGuest.Gateway, TestGuest.Address), (answer.Arp.SenderAddress, answer.Arp.TargetAddress));
        Assert.Equal(TestGuest.Mac, answer.To);
        Assert.Equal(answer.From, answer.Arp.SenderMac);
        guest.SendArp(ArpPacket.REQUEST, TestGuest.NameServer);
        Assert.Equal(TestGuest.NameServer, guest.Single().Arp.SenderAddress);
        guest.SendArp(ArpPacket.REQUEST, new(0x0a000263));
        guest.SendArp(ArpPacket.REPLY, TestGuest.Gateway);
        Assert.Empty(guest.Drain());
    }

    [Fact]
    public void Wake_OnceForFramesAfterNone()
    {
        using TestGuest guest = new();
        Assert.Empty(guest.Drain());
        guest.SendArp(ArpPacket.REQUEST, TestGuest.Gateway);
        guest.SendArp(ArpPacket.REQUEST, TestGuest.Gateway);
        Assert.Equal(1, guest.Wakes);
        Assert.Equal(2, guest.Drain().Count);
        guest.SendArp(ArpPacket.REQUEST, TestGuest.Gateway);
        Assert.Equal(2, guest.Wakes);
    }

    [Theory]
    [InlineData(16)]
    [InlineData(1472)]
    [InlineData(1473)]
    [InlineData(20000)]
    public void Echo_ToTheGateway_AnsweredWhole(int bytes)
    {
        using TestGuest guest = new TestGuest().Known();
        guest.SendEcho(TestGuest.Gateway, 5, 9, bytes);
        List<GotFrame> frames = guest.Drain();
        Assert.Equal((bytes + 8 + 1479) / 1480, frames.Count);
        Assert.Equal(bytes + 8, frames.Sum(f => f.Ip.PayloadBytes));
        Assert.All(frames, f => Assert.Equal((TestGuest.Gateway, TestGuest.Address), (f.Ip.Source, f.Ip.Destination)));
        Assert.False(frames[^1].Ip.HasMoreFragments);
        if (frames.Count == 1) Assert.Equal(IcmpMessage.ECHO_REPLY, frames[0].Payload[0]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Echo_Elsewhere_GoesOnAndComesBack(bool isRaw)
    {
        using TestGuest guest = new TestGuest().Known();
        guest.SendEcho(TestGuest.Elsewhere, 5, 9, hops: 30);
        FakeDatagrams socket = Assert.Single(guest.Host.Datagrams);
        (byte[] sent, InetEndPoint to) = Assert.Single(socket.Sent);
        Assert.Equal(TestGuest.Elsewhere.Value, to.AddressV4);
        Assert.Equal((IcmpMessage.ECHO, (byte)29), (sent[0], socket.TimeToLive));
        Assert.Equal(SocketKind.Echo, socket.Kind);
        byte[] reply = [.. sent];
        reply[0] = IcmpMessage.ECHO_REPLY;
        socket.Arrive(isRaw ? [1] : reply, to);
        if (isRaw)
        {
            Assert.Empty(guest.Drain()); // too short to be anything
            return;
        }

        GotFrame got = guest.Single();
        Assert.Equal(TestGuest.Elsewhere, got.Ip.Source);
        Assert.Equal(5, BinaryPrimitives.ReadUInt16BigEndian(got.Payload.AsSpan(IcmpMessage.IdAt)));
        Assert.Equal(9, BinaryPrimitives.ReadUInt16BigEndian(got.Payload.AsSpan(IcmpMessage.SequenceAt)));
    }

    [Fact]
    public void Echo_HostForbidsSockets_FilteredAndSaidSo()
    {
        using TestGuest guest = new TestGuest().Known();
        guest.Host.EchoAnswer = SocketStatus.Denied;
        guest.SendEcho(TestGuest.Elsewhere, 5, 9);
        GotFrame got = guest.Single();
        Assert.Equal((IcmpMessage.DEST_UNREACH, IcmpMessage.PKT_FILTERED), (got.Payload[0], got.Payload[1]));
        AssertQuotes(got, TestGuest.Elsewhere, IpHeader.IPPROTO_ICMP);
    }

    [Fact]
    public void Echo_ManyIdentifiers_SocketsStayBounded()
    {
        using TestGuest guest = new TestGuest().Known();
        for (ushort id = 0; id < 500; id++) guest.SendEcho(TestGuest.Elsewhere, id, 1);
        Assert.Equal(64, guest.Host.Datagrams.Count(s => !s.IsClosed));
        guest.Clock.Advance(31_000_000_000);
        Assert.DoesNotContain(guest.Host.Datagrams, s => !s.IsClosed);
        Assert.Equal(0, guest.Net.Statistics.EchoNow);
    }

    [Fact]
    public void TimeToLive_EndsAtTheGateway_TimeExceeded()
    {
        using TestGuest guest = new TestGuest().Known();
        guest.SendUdp(TestGuest.Elsewhere, 4000, 33434, [1, 2, 3], hops: 1);
        GotFrame got = guest.Single();
        Assert.Equal((IcmpMessage.TIME_EXCEEDED, TestGuest.Gateway), (got.Payload[0], got.Ip.Source));
        AssertQuotes(got, TestGuest.Elsewhere, IpHeader.IPPROTO_UDP);
        Assert.Empty(guest.Host.Datagrams);
    }

    [Fact]
    public void Errors_Many_AreLimited()
    {
        using TestGuest guest = new TestGuest().Known();
        for (int i = 0; i < 1000; i++) guest.SendUdp(TestGuest.Elsewhere, 4000, 33434, [1], hops: 1);
        Assert.InRange(guest.Drain().Count, 50, 110);
        guest.Clock.Advance(10_000_000);
        guest.SendUdp(TestGuest.Elsewhere, 4000, 33434, [1], hops: 1);
        guest.Single();
    }

    [Fact]
    public void Frames_OfAnotherSource_AreDropped()
    {
        using TestGuest guest = new TestGuest().Known();
        Assert.Equal(NetSendResult.Dropped, guest.SendUdp(TestGuest.Elsewhere, 1, 2, [1], from: new Ipv4Address(0xc0a80101)));
        Assert.Equal(NetSendResult.Dropped, guest.SendUdp(TestGuest.Elsewhere, 1, 2, [1], from: TestGuest.Gateway));
        Assert.Equal(NetSendResult.Dropped, guest.SendUdp(TestGuest.Elsewhere, 1, 2, [1], from: default(Ipv4Address)));
        Assert.Empty(guest.Host.Datagrams);
        Assert.Equal(3ul, guest.Net.Statistics.DroppedFromGuest);
    }

    internal static void AssertQuotes(GotFrame error, Ipv4Address destination, byte protocol)
    {
        Assert.True(Ipv4Header.TryRead(error.Payload.AsSpan(IcmpMessage.HeaderBytes), ushort.MaxValue, false, out IpHeader quoted));
        Assert.Equal((TestGuest.Address, destination, protocol), (quoted.Source, quoted.Destination, quoted.Protocol));
    }
}
