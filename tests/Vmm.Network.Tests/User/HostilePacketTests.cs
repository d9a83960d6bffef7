using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Host.Sockets;
using Vmm.Network.User;
using Vmm.Network.User.Packets;

namespace Vmm.Network.Tests.User;

/// <summary>A guest that sends anything: nothing throws, and what is held stays bounded.</summary>
public class HostilePacketTests
{
    private const int Frames = 150_000;

    [Fact]
    public void RandomFrames_NeverThrow_AndStayBounded()
    {
        Random random = new(20260101);
        Assert.True(PortForward.TryParse("tcp::2222-:22", out PortForward? tcp, out _));
        Assert.True(PortForward.TryParse("udp::2223-:23", out PortForward? udp, out _));
        using TestGuest guest = new TestGuest(new UserNetOptions { Forwards = [tcp!, udp!], Queues = 2, ResolverFile = "/dev/null" }, NetOffloads.Checksum | NetOffloads.Tso4).Known();
        PinnedBuffer buffer = new(INetBackend.MostFrameBytes);
        byte[] last = new byte[200];
        for (int i = 0; i < Frames; i++)
        {
            int bytes = Make(random, buffer.Span, ref last);
            int cut = random.Next(bytes + 1);
            guest.Net.Send(random.Next(2), [buffer.Vector(0, cut), buffer.Vector(cut, bytes - cut)]);
            if (random.Next(3) == 0) guest.Net.Receive(random.Next(2), [buffer.Vector(0, random.Next(2) == 0 ? random.Next(1, 200) : buffer.SizeBytes)]);
            if (random.Next(50) == 0) guest.Clock.Advance(random.NextInt64(1L << random.Next(10, 34)));
            if (random.Next(20) == 0) Host(random, guest);
            if (random.Next(5000) == 0) guest.Net.Configure((NetOffloads)random.Next(32), random.Next(0, 4));
            if (random.Next(20_000) == 0) guest.Net.Attach(guest);
            if (guest.Host.Streams.Count > 3000) guest.Host.Streams.RemoveRange(0, 1000);
            if (guest.Host.Datagrams.Count > 3000) guest.Host.Datagrams.RemoveRange(1, 1000);
        }

        UserNetStatistics statistics = guest.Net.Statistics;
        Assert.InRange(statistics.TcpNow, 0, 2048);
        Assert.InRange(statistics.UdpNow, 0, 512);
        Assert.InRange(statistics.EchoNow, 0, 64);
        Assert.True(statistics.TcpOpened > 100 && statistics.UdpBytesFromGuest > 100 && statistics.FramesToGuest > 1000, $"{statistics}");
    }

    [Fact]
    public void ShortAndEmptyFrames_Dropped()
    {
        using TestGuest guest = new();
        PinnedBuffer buffer = new(64);
        buffer.Span.Clear();
        for (int bytes = 0; bytes <= 26; bytes++) Assert.Equal(NetSendResult.Dropped, guest.Net.Send(0, [buffer.Vector(0, bytes)]));
        Assert.Equal(NetSendResult.Dropped, guest.Net.Send(0, []));
        Assert.Equal(0, guest.Net.Receive(0, []));
        IoVec huge = new(buffer.Vector(0, 1).HostAddress, nuint.MaxValue);
        Assert.Equal(NetSendResult.Dropped, guest.Net.Send(0, [huge, huge]));
    }

    private static int Make(Random random, Span<byte> to, ref byte[] last)
    {
        int bytes = random.Next(4) switch
        {
            0 => Repeat(to, last),
            1 => Noise(random, to),
            _ => Packet(random, to),
        };
        for (int flips = random.Next(4) == 0 ? random.Next(1, 6) : 0; flips > 0 && bytes > 0; flips--) to[random.Next(Math.Min(bytes, 100))] = (byte)random.Next();
        if (random.Next(10) == 0) bytes = random.Next(bytes + 1);
        if (random.Next(3) == 0) last = to[..Math.Min(bytes, 2000)].ToArray();
        return bytes;
    }

    private static int Repeat(Span<byte> to, byte[] last)
    {
        last.CopyTo(to);
        return last.Length;
    }

    private static int Noise(Random random, Span<byte> to)
    {
        int bytes = random.Next(200);
        random.NextBytes(to[..bytes]);
        if (bytes >= 26) Ethernet.Write(to[12..], HostMac.Of(TestGuest.Gateway), TestGuest.Mac, random.Next(3) == 0 ? Ethernet.ETHERTYPE_ARP : Ethernet.ETHERTYPE_IP);
        return bytes;
    }

    private static int Packet(Random random, Span<byte> to)
    {
        to[..12].Clear();
        if (random.Next(3) == 0)
            new NetHeader(NetHeaderFlags.VIRTIO_NET_HDR_F_NEEDS_CSUM, (NetSegmentation)(random.Next(2) == 0 ? 0 : random.Next(6)), 54, (ushort)random.Next(2000), 34, 16).Write(to);
        Ethernet.Write(to[12..], HostMac.Of(TestGuest.Gateway), TestGuest.Mac, Ethernet.ETHERTYPE_IP);
        int payload = random.Next(8) == 0 ? random.Next(9000) : random.Next(100);
        byte protocol = (byte)(random.Next(5) switch { 0 => 1, 1 or 2 => 17, _ => 6 });
        Ipv4Address target = random.Next(6) switch
        {
            0 => TestGuest.Elsewhere,
            1 => TestGuest.NameServer,
            2 => Ipv4Address.Broadcast,
            3 => new((uint)random.NextInt64(uint.MaxValue)),
            _ => TestGuest.Gateway,
        };
        int offset = random.Next(20) == 0 ? random.Next(8192) * 8 : 0;
        new Ipv4Header(random.Next(10) == 0 ? default : new(0x0a00020f + (uint)random.Next(3)), target, protocol, (byte)random.Next(random.Next(3) == 0 ? 3 : 255), 20,
            20 + payload, (ushort)random.Next(20), offset, random.Next(20) == 0, false).Write(to[26..]);
        Span<byte> body = to.Slice(46, payload);
        random.NextBytes(body);
        if (protocol == 6 && payload >= 24)
            new TcpHeader((ushort)random.Next(1, 30), (ushort)random.Next(1, 6), (uint)random.Next(20), (uint)random.Next(), (TcpFlags)random.Next(64),
                (ushort)random.Next(65536), 0, random.Next(2) == 0 ? (ushort)random.Next(65536) : (ushort)0).Write(body);
        if (protocol == 17 && payload >= 8) new UdpHeader((ushort)random.Next(1, 30), (ushort)(random.Next(3) switch { 0 => 53, 1 => 67, _ => 9 }), payload, 0).Write(body);
        if (protocol == 6 && payload >= 24 && random.Next(8) != 0) Sum(body, to[26..], 16);
        if (protocol == 1 && payload >= 8)
        {
            (body[0], body[1], body[2], body[3]) = (8, 0, 0, 0);
            ushort sum = InternetChecksum.Of(body);
            (body[2], body[3]) = ((byte)(sum >> 8), (byte)sum);
        }

        return 46 + payload;
    }

    private static void Sum(Span<byte> body, ReadOnlySpan<byte> packet, int at)
    {
        Assert.True(Ipv4Header.TryRead(packet, packet.Length, false, out Ipv4Header ip));
        InternetChecksum sum = default;
        sum.AddPseudoHeader(ip.Source, ip.Destination, ip.Protocol, body.Length);
        sum.Add(body);
        (body[at], body[at + 1]) = ((byte)(sum.Value >> 8), (byte)sum.Value);
    }

    /// <summary>Something happens on the host's side.</summary>
    private static void Host(Random random, TestGuest guest)
    {
        if (random.Next(20) == 0) guest.Host.Listeners.Values.First().Connect(TestGuest.At("127.0.0.1", (ushort)random.Next(1, 100)));
        if (guest.Host.Datagrams.Count > 0)
        {
            FakeDatagrams socket = guest.Host.Datagrams[random.Next(guest.Host.Datagrams.Count)];
            if (random.Next(4) == 0) socket.Fail(new((byte)random.Next(20), (byte)random.Next(20), (uint)random.Next(), TestGuest.At("192.0.2.1", 0), TestGuest.At("192.0.2.2", 5), random.Next(9)));
            else socket.Arrive(new byte[random.Next(random.Next(5) == 0 ? 65507 : 100)], socket.Sent.Count > 0 ? socket.Sent[^1].To : TestGuest.At("192.0.2.2", 5));
            socket.SendAnswer = random.Next(3) == 0 ? (SocketStatus)random.Next(12) : SocketStatus.Ok;
        }

        guest.Host.ConnectAnswer = random.Next(10) == 0 ? (SocketStatus)random.Next(12) : SocketStatus.Pending;
        if (guest.Host.Streams.Count == 0) return;
        FakeStream stream = guest.Host.Streams[random.Next(guest.Host.Streams.Count)];
        switch (random.Next(6))
        {
            case 0 or 1:
                stream.Connected();
                break;
            case 2:
                stream.Feed(new byte[random.Next(5000)]);
                break;
            case 3:
                stream.End();
                break;
            case 4:
                stream.SetRoom(random.Next(3) == 0 ? 0 : random.Next(100_000));
                break;
            default:
                if (random.Next(4) == 0) stream.Fail(SocketStatus.Reset);
                break;
        }
    }
}
