using Vmm.Core.Backends;
using Vmm.Host.Sockets;
using Vmm.Network.User;
using Vmm.Network.User.Packets;

namespace Vmm.Network.Tests.User;

public class TcpTests
{
    private const ushort GuestPort = 40000;
    private const ushort Port = 80;
    private static readonly uint First = 0xfffffff0; // the numbers wrap on the way

    [Fact]
    public void Connect_AcknowledgedOnlyWhenTheHostIsConnected()
    {
        using TestGuest guest = new TestGuest().Known();
        Syn(guest);
        Syn(guest); // again, because nobody answered
        Assert.Empty(guest.Drain());
        FakeStream stream = Assert.Single(guest.Host.Streams);
        Assert.Equal(TestGuest.At("198.51.100.1", Port), stream.Remote);
        stream.Connected();
        GotFrame answer = guest.Single();
        Assert.Equal(TcpFlags.SYN | TcpFlags.ACK, answer.Tcp.Flags);
        Assert.Equal((First + 1, (ushort)1460, 7), (answer.Tcp.Acknowledgment, answer.Tcp.SegmentSize, answer.Tcp.WindowShift));
    }

    [Fact]
    public void Connect_PeerDoesNotScale_NeitherDoWe()
    {
        using TestGuest guest = new TestGuest().Known();
        Send(guest, First, 0, TcpFlags.SYN, [], window: 1000);
        guest.Host.Streams[0].Connected();
        Assert.Equal((0, TcpHeader.NoWindowShift), (0, guest.Single().Tcp.WindowShift));
    }

    [Fact]
    public void Connect_Refused_Reset()
    {
        using TestGuest guest = new TestGuest().Known();
        Syn(guest);
        guest.Host.Streams[0].Fail(SocketStatus.Refused);
        GotFrame reset = guest.Single();
        Assert.Equal((TcpFlags.RST | TcpFlags.ACK, First + 1), (reset.Tcp.Flags, reset.Tcp.Acknowledgment));
        Assert.Equal((0, 1ul), (guest.Net.Statistics.TcpNow, guest.Net.Statistics.TcpRefused));
        Assert.True(guest.Host.Streams[0].IsClosed);
    }

    [Theory]
    [InlineData(SocketStatus.HostUnreachable, 1)]
    [InlineData(SocketStatus.NetUnreachable, 0)]
    [InlineData(SocketStatus.Denied, 13)]
    public void Connect_NoWay_IcmpSaysWhy(SocketStatus status, byte code)
    {
        using TestGuest guest = new TestGuest().Known();
        guest.Host.ConnectAnswer = status;
        Syn(guest);
        GotFrame error = guest.Single();
        Assert.Equal((IcmpMessage.DEST_UNREACH, code), (error.Payload[0], error.Payload[1]));
        ArpAndIcmpTests.AssertQuotes(error, TestGuest.Elsewhere, IpHeader.IPPROTO_TCP);
        Assert.Equal([0xff, 0xff, 0xff, 0xf0], error.Payload[32..36]); // the guest looks its connection up by the number
    }

    [Fact]
    public void Restricted_AndLoopbackOff_DoNotConnect()
    {
        using TestGuest restricted = new TestGuest(new UserNetOptions { IsRestricted = true }).Known();
        Syn(restricted);
        Syn(restricted, TestGuest.Gateway);
        Syn(restricted, TestGuest.NameServer, 53);
        Assert.Equal(3, restricted.Drain().Count);
        Assert.Empty(restricted.Host.Streams);

        using TestGuest closed = new TestGuest(new UserNetOptions { ReachesLoopback = false }).Known();
        Syn(closed, TestGuest.Gateway);
        Assert.Equal(TcpFlags.RST | TcpFlags.ACK, closed.Single().Tcp.Flags);
        Assert.Empty(closed.Host.Streams);
    }

    [Fact]
    public void Data_BothWays_AcknowledgedAndInOrder()
    {
        using TestGuest guest = new TestGuest().Known();
        (FakeStream stream, uint us) = Open(guest);
        Send(guest, First + 1, us, TcpFlags.ACK | TcpFlags.PSH, "hello"u8);
        Assert.Equal("hello"u8, stream.FromGuest.ToArray());
        Assert.Empty(guest.Drain()); // delayed
        guest.Clock.Advance(30_000_000);
        Assert.Equal(First + 6, guest.Single().Tcp.Acknowledgment);
        stream.Feed("world"u8);
        GotFrame got = guest.Single();
        Assert.Equal("world"u8, got.Payload);
        Assert.Equal((us, TcpFlags.ACK | TcpFlags.PSH), (got.Tcp.Sequence, got.Tcp.Flags));
        Send(guest, First + 6, us + 5, TcpFlags.ACK, []);
        guest.Clock.Advance(60_000_000_000);
        Assert.Empty(guest.Drain()); // nothing is repeated
    }

    [Fact]
    public void Gap_NotTaken_ToldAtOnce()
    {
        using TestGuest guest = new TestGuest().Known();
        (FakeStream stream, uint us) = Open(guest);
        Send(guest, First + 4, us, TcpFlags.ACK, "lo"u8);
        Assert.Equal(First + 1, guest.Single().Tcp.Acknowledgment);
        Send(guest, First + 1, us, TcpFlags.ACK, "hel"u8);
        Send(guest, First + 2, us, TcpFlags.ACK, "ello"u8); // overlaps what is there
        Assert.Equal("hello"u8, stream.FromGuest.ToArray());
    }

    [Fact]
    public void GuestEndsFirst_PeerGoesOn_ThenBothAreDone()
    {
        using TestGuest guest = new TestGuest().Known();
        (FakeStream stream, uint us) = Open(guest);
        Send(guest, First + 1, us, TcpFlags.ACK | TcpFlags.FIN, "bye"u8);
        Assert.True(stream.GuestEnded);
        Assert.Equal(First + 5, guest.Single().Tcp.Acknowledgment);
        stream.Feed("still here"u8);
        Assert.Equal("still here"u8, guest.Single().Payload);
        Send(guest, First + 5, us + 10, TcpFlags.ACK, []);
        stream.End();
        GotFrame end = guest.Single();
        Assert.Equal((TcpFlags.ACK | TcpFlags.FIN, us + 10), (end.Tcp.Flags, end.Tcp.Sequence));
        Send(guest, First + 5, us + 11, TcpFlags.ACK, []);
        Assert.True(stream.IsClosed);
        Assert.False(stream.WasReset);
        guest.Clock.Advance(2_000_000_000);
        Assert.Equal(0, guest.Net.Statistics.TcpNow);
    }

    [Fact]
    public void PeerEndsFirst_GuestGoesOn_LateEndIsAcknowledgedAgain()
    {
        using TestGuest guest = new TestGuest().Known();
        (FakeStream stream, uint us) = Open(guest);
        stream.End();
        Assert.Equal(TcpFlags.ACK | TcpFlags.FIN, guest.Single().Tcp.Flags);
        Send(guest, First + 1, us + 1, TcpFlags.ACK, "more"u8);
        Assert.Equal("more"u8, stream.FromGuest.ToArray());
        Assert.False(stream.GuestEnded);
        Send(guest, First + 5, us + 1, TcpFlags.ACK | TcpFlags.FIN, []);
        Assert.True(stream.GuestEnded && stream.IsClosed);
        Assert.Equal(First + 6, guest.Drain()[^1].Tcp.Acknowledgment);
        Send(guest, First + 5, us + 1, TcpFlags.ACK | TcpFlags.FIN, []); // our answer was lost
        Assert.Equal(First + 6, guest.Single().Tcp.Acknowledgment);
        // The guest may use its port again at once.
        Send(guest, 5000, 0, TcpFlags.SYN, []);
        Assert.Equal(2, guest.Host.Streams.Count);
    }

    [Fact]
    public void Resets_PassBothWays()
    {
        using TestGuest guest = new TestGuest().Known();
        (FakeStream first, uint us) = Open(guest);
        Send(guest, First + 100, us, TcpFlags.RST, []); // not the next number: asked about
        Assert.Equal(TcpFlags.ACK, guest.Single().Tcp.Flags);
        Assert.False(first.WasReset);
        Send(guest, First + 1, us, TcpFlags.RST, []);
        Assert.True(first.WasReset);
        Assert.Empty(guest.Drain());
        (FakeStream second, us) = Open(guest);
        second.Fail(SocketStatus.Reset);
        GotFrame reset = guest.Single();
        Assert.Equal((TcpFlags.RST | TcpFlags.ACK, us), (reset.Tcp.Flags, reset.Tcp.Sequence));
        Assert.Equal(0, guest.Net.Statistics.TcpNow);
    }

    [Fact]
    public void UnknownSegment_Reset_ButNeverAReset()
    {
        using TestGuest guest = new TestGuest().Known();
        Send(guest, 100, 77, TcpFlags.ACK, "x"u8);
        GotFrame reset = guest.Single();
        Assert.Equal((TcpFlags.RST, 77u), (reset.Tcp.Flags, reset.Tcp.Sequence));
        Send(guest, 100, 0, TcpFlags.FIN, "x"u8);
        reset = guest.Single();
        Assert.Equal((TcpFlags.RST | TcpFlags.ACK, 102u), (reset.Tcp.Flags, reset.Tcp.Acknowledgment));
        Send(guest, 100, 77, TcpFlags.RST, []);
        Assert.Empty(guest.Drain());
    }

    [Fact]
    public void SlowPeer_WindowCloses_OpensAgain_NothingIsLost()
    {
        using TestGuest guest = new TestGuest().Known();
        (FakeStream stream, uint us) = Open(guest);
        stream.SetRoom(0);
        uint sequence = First + 1;
        int sent = 0;
        long window = 60_000;
        byte[] all = new byte[4_000_000];
        new Random(3).NextBytes(all);
        while (window > 0 && sent < all.Length)
        {
            int count = (int)Math.Min(Math.Min(1460, window), all.Length - sent);
            Send(guest, sequence, us, TcpFlags.ACK, all.AsSpan(sent, count));
            sequence += (uint)count;
            sent += count;
            window -= count;
            foreach (GotFrame frame in guest.Drain()) window = (int)(frame.Tcp.Acknowledgment + ((uint)frame.Tcp.Window << 7) - sequence);
        }

        Assert.InRange(sent, 300_000, 700_000); // what the bounded buffer takes
        Send(guest, sequence, us, TcpFlags.ACK, [1]); // beyond the window: asked for nothing
        GotFrame closed = guest.Drain()[^1];
        Assert.Equal((sequence, (ushort)0), (closed.Tcp.Acknowledgment, closed.Tcp.Window));
        stream.SetRoom(int.MaxValue);
        Assert.Equal(all[..sent], stream.FromGuest);
        Assert.True(guest.Drain()[^1].Tcp.Window << 7 > 300_000);
    }

    [Fact]
    public void ClosedGuestWindow_Probed_ForAsLongAsTheGuestAnswers()
    {
        using TestGuest guest = new TestGuest().Known();
        (FakeStream stream, uint us) = Open(guest, window: 0);
        stream.Feed(new byte[100]);
        Assert.Empty(guest.Drain());
        for (int i = 0; i < 40; i++)
        {
            guest.Clock.Advance(20_000_000_000);
            Assert.All(guest.Drain(), f => Assert.Equal((us - 1, 0), (f.Tcp.Sequence, f.Payload.Length)));
            Send(guest, First + 1, us, TcpFlags.ACK, [], window: 0);
        }

        Assert.Equal(1, guest.Net.Statistics.TcpNow);
        Send(guest, First + 1, us, TcpFlags.ACK, [], window: 100);
        Assert.Equal(100, guest.Single().Payload.Length);
    }

    [Fact]
    public void LostSegment_RepeatedAfterATimeout_AndAtThreeDuplicates()
    {
        using TestGuest guest = new TestGuest().Known();
        (FakeStream stream, uint us) = Open(guest);
        stream.Feed(new byte[6000]);
        Assert.Equal(5, guest.Drain().Count);
        for (int i = 0; i < 3; i++) Send(guest, First + 1, us, TcpFlags.ACK, [], window: 65535);
        GotFrame again = guest.Single();
        Assert.Equal((us, 1460), (again.Tcp.Sequence, again.Payload.Length));
        Send(guest, First + 1, us + 2920, TcpFlags.ACK, [], window: 65535);
        Assert.Equal(us + 2920, guest.Single().Tcp.Sequence); // the next hole
        Send(guest, First + 1, us + 6000, TcpFlags.ACK, [], window: 65535);
        stream.Feed(new byte[10]);
        Assert.Equal(us + 6000, guest.Single().Tcp.Sequence);
        guest.Clock.Advance(1_500_000_000);
        List<GotFrame> repeats = guest.Drain();
        Assert.All(repeats, f => Assert.Equal((us + 6000, 10), (f.Tcp.Sequence, f.Payload.Length)));
        Assert.NotEmpty(repeats);
    }

    [Fact]
    public void SilentGuest_GivenUp_WithAResetToThePeer()
    {
        using TestGuest guest = new TestGuest().Known();
        (FakeStream stream, _) = Open(guest);
        stream.Feed([1]);
        for (int i = 0; i < 150; i++)
        {
            guest.Clock.Advance(5_000_000_000);
            guest.Drain();
        }

        Assert.True(stream.WasReset);
        Assert.Equal(0, guest.Net.Statistics.TcpNow);
    }

    [Fact]
    public void PausedGuest_LosesNothing()
    {
        using TestGuest guest = new TestGuest().Known();
        (FakeStream stream, uint us) = Open(guest);
        stream.Feed([1, 2, 3]);
        Assert.Single(guest.Drain());
        // The machine's clock stands while it is paused; the peer may still write.
        stream.Feed([4]);
        Assert.Equal([4], guest.Single().Payload);
        Send(guest, First + 1, us + 4, TcpFlags.ACK, []);
        Assert.Equal(1, guest.Net.Statistics.TcpNow);
    }

    [Fact]
    public void IdleConnection_AskedAfterTwoHours_KeptWhileAnswered()
    {
        using TestGuest guest = new TestGuest().Known();
        (FakeStream stream, uint us) = Open(guest);
        guest.Clock.Advance(7100_000_000_000);
        Assert.Empty(guest.Drain());
        guest.Clock.Advance(110_000_000_000);
        Assert.Equal(us - 1, guest.Drain()[0].Tcp.Sequence);
        Send(guest, First + 1, us, TcpFlags.ACK, []);
        guest.Clock.Advance(7000_000_000_000);
        Assert.Empty(guest.Drain());
        for (int i = 0; i < 40; i++)
        {
            guest.Clock.Advance(80_000_000_000);
            guest.Drain();
        }

        Assert.True(stream.WasReset);
    }

    [Fact]
    public void LongSegments_BothWays_WithOffload()
    {
        using TestGuest guest = new(accepted: NetOffloads.Checksum | NetOffloads.Tso4);
        guest.Known();
        (FakeStream stream, uint us) = Open(guest, window: 65535);
        Send(guest, First + 1, us, TcpFlags.ACK, [], window: 8000);
        byte[] data = new byte[60_000];
        new Random(4).NextBytes(data);
        NetHeader header = new(NetHeaderFlags.VIRTIO_NET_HDR_F_NEEDS_CSUM, NetSegmentation.VIRTIO_NET_HDR_GSO_TCPV4, 54, 1460, 34, 16);
        guest.SendTcp(TestGuest.Elsewhere, Header(First + 1, us, TcpFlags.ACK, 8000), data, header);
        Assert.Equal(data, stream.FromGuest);
        Assert.Equal(First + 1 + 60_000, guest.Single().Tcp.Acknowledgment);
        stream.Feed(data);
        GotFrame got = guest.Single();
        Assert.Equal(data, got.Payload);
        Assert.Equal((NetSegmentation.VIRTIO_NET_HDR_GSO_TCPV4, (ushort)1460), (got.Header.Segmentation, got.Header.SegmentSize));
        Assert.True(got.Header.TryCheck((ulong)got.Bytes.Length - 12, NetOffloads.Checksum | NetOffloads.Tso4, out _));
        Assert.Equal((34, 16), (got.Header.ChecksumStart, got.Header.ChecksumOffset));
    }

    [Fact]
    public void Offload_NotOffered_FramesAreWholeAndShort()
    {
        using TestGuest guest = new(new UserNetOptions { HasOffloads = false }, NetOffloads.Checksum | NetOffloads.Tso4);
        Assert.Equal(NetOffloads.None, guest.Net.Offloads);
        guest.Known();
        (FakeStream stream, _) = Open(guest);
        stream.Feed(new byte[5000]);
        List<GotFrame> frames = guest.Drain();
        Assert.Equal(4, frames.Count);
        Assert.All(frames, f => Assert.False(f.Header.NeedsChecksum));
    }

    [Fact]
    public void SmallReceiveBuffers_SmallSegments()
    {
        using TestGuest guest = new TestGuest().Known();
        (FakeStream stream, _) = Open(guest);
        guest.ReceiveRoom = 12 + 14 + 40 + 100;
        stream.Feed(new byte[300]);
        Assert.Equal([100, 100, 100], guest.Drain().Select(f => f.Payload.Length));
        guest.ReceiveRoom = 60; // not even for the headers
        stream.Feed(new byte[300]);
        Assert.Empty(guest.Drain());
    }

    [Fact]
    public void Forward_In_HandshakeThenData()
    {
        Assert.True(PortForward.TryParse("tcp:127.0.0.1:2222-:22", out PortForward? forward, out _));
        using TestGuest guest = new(new UserNetOptions { Forwards = [forward!], IsRestricted = true });
        FakeStream stream = guest.Host.Listeners[TestGuest.At("127.0.0.1", 2222)].Connect(TestGuest.At("127.0.0.1", 5555));
        GotFrame question = guest.Single();
        Assert.Equal(ArpPacket.REQUEST, question.Arp.Operation); // the guest has not said a word yet
        guest.SendArp(ArpPacket.REPLY, TestGuest.Gateway);
        guest.Clock.Advance(1_100_000_000);
        GotFrame syn = guest.Single();
        Assert.Equal((TcpFlags.SYN, TestGuest.Gateway, (ushort)5555, (ushort)22), (syn.Tcp.Flags, syn.Ip.Source, syn.Tcp.SourcePort, syn.Tcp.DestinationPort));
        stream.Feed("early"u8);
        Assert.Empty(guest.Drain());
        TcpHeader answer = new(22, 5555, First, syn.Tcp.Sequence + 1, TcpFlags.SYN | TcpFlags.ACK, 65535, 0, 1460, 7);
        guest.SendTcp(TestGuest.Gateway, answer);
        Assert.Equal("early"u8, guest.Drain()[0].Payload);
    }

    [Fact]
    public void Forward_ClosedGuestPort_PeerIsReset()
    {
        Assert.True(PortForward.TryParse("tcp::2222-10.0.2.15:22", out PortForward? forward, out _));
        using TestGuest guest = new TestGuest(new UserNetOptions { Forwards = [forward!] }).Known();
        FakeListener port = guest.Host.Listeners[TestGuest.At("0.0.0.0", 2222)];
        FakeStream first = port.Connect(TestGuest.At("192.0.2.7", 5555));
        GotFrame syn = guest.Single();
        Assert.Equal(new Ipv4Address(0xc0000207), syn.Ip.Source);
        guest.SendTcp(new Ipv4Address(0xc0000207), new(22, 5555, 0, syn.Tcp.Sequence + 1, TcpFlags.RST | TcpFlags.ACK, 0, 0));
        Assert.True(first.WasReset);
        FakeStream second = port.Connect(TestGuest.At("192.0.2.7", 5556));
        guest.Clock.Advance(60_000_000_000); // nobody answers
        Assert.True(second.WasReset);
        Assert.Equal(0, guest.Net.Statistics.TcpNow);
    }

    [Fact]
    public void TooManyConnections_Refused_OldOnesStay()
    {
        using TestGuest guest = new TestGuest().Known();
        for (int i = 0; i < 2100; i++) guest.SendTcp(TestGuest.Elsewhere, new((ushort)(1000 + i), Port, First, 0, TcpFlags.SYN, 65535, 0, 1460, 7));
        Assert.Equal(2048, guest.Net.Statistics.TcpNow);
        Assert.Equal(52, guest.Drain().Count(f => f.Tcp.Has(TcpFlags.RST)));
        Assert.DoesNotContain(guest.Host.Streams, s => s.IsClosed);
    }

    [Fact]
    public void TooManyFromOutside_TurnedAway_TheGuestsOwnStillOpen()
    {
        Assert.True(PortForward.TryParse("tcp::2222-:22", out PortForward? forward, out _));
        using TestGuest guest = new TestGuest(new UserNetOptions { Forwards = [forward!], ResolverFile = "/dev/null" }).Known();
        FakeListener port = guest.Host.Listeners[TestGuest.At("0.0.0.0", 2222)];
        FakeStream[] all = [.. Enumerable.Range(0, 3000).Select(i => port.Connect(TestGuest.At("192.0.2.7", (ushort)(1000 + i))))];
        Assert.Equal(1024, guest.Net.Statistics.TcpNow);
        Assert.All(all[1024..], s => Assert.True(s.WasReset));
        guest.SendTcp(TestGuest.Elsewhere, new(1000, Port, First, 0, TcpFlags.SYN, 65535, 0, 1460, 7));
        Assert.Single(guest.Host.Streams);
        // The guest never answers: their places are free again.
        _ = guest.Drain();
        for (int i = 0; i < 100; i++)
        {
            guest.Clock.Advance(1_000_000_000);
            _ = guest.Drain();
        }

        Assert.Equal(1, guest.Net.Statistics.TcpNow);
        Assert.False(port.Connect(TestGuest.At("192.0.2.7", 900)).WasReset);
    }

    [Fact]
    public void MachineReset_AThousandTimes_NothingIsLeft()
    {
        Assert.True(PortForward.TryParse("tcp::2222-:22", out PortForward? forward, out _));
        using TestGuest guest = new(new UserNetOptions { Forwards = [forward!], HasIPv6 = true, ResolverFile = "/dev/null" });
        FakeListener port = guest.Host.Listeners[TestGuest.At("0.0.0.0", 2222)];
        for (int life = 0; life < 1000; life++)
        {
            guest.Known();
            (FakeStream stream, _) = Open(guest);
            FakeStream incoming = port.Connect(TestGuest.At("192.0.2.7", 1234));
            stream.Feed(new byte[100_000]);
            stream.SetRoom(0);
            guest.SendUdp(TestGuest.Elsewhere, 4000, 5000, [1]);
            guest.SendEcho(TestGuest.Elsewhere, 7, 1);
            guest.Net.Attach(guest);
            Assert.True(stream.WasReset && incoming.WasReset);
            Assert.DoesNotContain(guest.Host.Datagrams, s => !s.IsClosed);
            Assert.Equal((0, 0, 0), (guest.Net.Statistics.TcpNow, guest.Net.Statistics.UdpNow, guest.Net.Statistics.EchoNow));
            Assert.Empty(guest.Drain());
            guest.Host.Streams.Clear();
            guest.Host.Datagrams.Clear();
        }
    }

    [Fact]
    public void MachineReset_NewReceiver_ConnectionsEnd()
    {
        using TestGuest guest = new TestGuest().Known();
        (FakeStream stream, _) = Open(guest);
        stream.Feed([1]);
        guest.Net.Attach(guest);
        Assert.True(stream.WasReset);
        Assert.Empty(guest.Drain());
    }

    [Fact]
    public void Warm_Path_AllocatesNothing()
    {
        using TestGuest guest = new TestGuest(accepted: NetOffloads.Checksum | NetOffloads.Tso4).Known();
        (FakeStream stream, uint us) = Open(guest);
        stream.FromGuest.EnsureCapacity(16 << 20);
        uint sequence = First + 1;
        long allocated = 0;
        Vmm.Core.Memory.PinnedBuffer buffer = new(INetBackend.MostFrameBytes);
        Vmm.Core.Memory.IoVec room = buffer.Vector(0, buffer.SizeBytes);
        byte[] chunk = new byte[20_000];
        for (int i = 0; i < 200; i++)
        {
            byte[] segment = new byte[20 + 10_000];
            Header(sequence, us, TcpFlags.ACK, 65535).Write(segment);
            byte[] frame = new byte[12 + 14 + 20 + segment.Length];
            new NetHeader(NetHeaderFlags.VIRTIO_NET_HDR_F_NEEDS_CSUM, NetSegmentation.VIRTIO_NET_HDR_GSO_TCPV4, 54, 1460, 34, 16).Write(frame);
            Ethernet.Write(frame.AsSpan(12), HostMac.Of(TestGuest.Gateway), TestGuest.Mac, Ethernet.ETHERTYPE_IP);
            new IpHeader(TestGuest.Address, TestGuest.Elsewhere, 6, 64, 20, 20 + segment.Length, 1, 0, false, false).Write(frame.AsSpan(26));
            segment.CopyTo(frame, 46);
            frame.CopyTo(buffer.Span);
            Vmm.Core.Memory.IoVec vector = buffer.Vector(0, frame.Length);
            stream.Feed(chunk);
            long before = GC.GetAllocatedBytesForCurrentThread();
            guest.Net.Send(0, [vector]);
            int got;
            while ((got = guest.Net.Receive(0, [room])) > 0)
                if (got > 66) us += (uint)(got - 66);
            if (i >= 100) allocated += GC.GetAllocatedBytesForCurrentThread() - before;
            sequence += 10_000;
        }

        Assert.Equal(2_000_000, stream.FromGuest.Count);
        Assert.Equal(0, allocated);
    }

    private static TcpHeader Header(uint sequence, uint acknowledgment, TcpFlags flags, ushort window)
        => new(GuestPort, Port, sequence, acknowledgment, flags, window, 0, flags.HasFlag(TcpFlags.SYN) ? (ushort)1460 : (ushort)0);

    private static void Send(TestGuest guest, uint sequence, uint acknowledgment, TcpFlags flags, ReadOnlySpan<byte> data, ushort window = 65535)
        => guest.SendTcp(TestGuest.Elsewhere, Header(sequence, acknowledgment, flags, window), data);

    private static void Syn(TestGuest guest, Ipv4Address? to = null, ushort port = Port)
        => guest.SendTcp(to ?? TestGuest.Elsewhere, new(GuestPort, port, First, 0, TcpFlags.SYN, 65535, 0, 1460, 7));

    private static (FakeStream Stream, uint Sequence) Open(TestGuest guest, ushort window = 65535)
    {
        Syn(guest);
        FakeStream stream = guest.Host.Streams[^1];
        stream.Connected();
        uint us = guest.Single().Tcp.Sequence + 1;
        guest.SendTcp(TestGuest.Elsewhere, Header(First + 1, us, TcpFlags.ACK, window));
        guest.Drain();
        return (stream, us);
    }
}
