using System.Buffers.Binary;
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
        Assert.True(PortForward.TryParse("tcp::2224-[fd00::1:2]:22", out PortForward? tcpV6, out _));
        using TestGuest guest = new TestGuest(new UserNetOptions { Forwards = [tcp!, udp!, tcpV6!], Queues = 2, HasIPv6 = true, ResolverFile = "/dev/null" },
            NetOffloads.Checksum | NetOffloads.Tso4 | NetOffloads.Tso6).Known();
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
        if (bytes >= 26) Ethernet.Write(to[12..], HostMac.Of(TestGuest.Gateway), TestGuest.Mac, random.Next(3) switch { 0 => Ethernet.ETHERTYPE_ARP, 1 => Ethernet.ETHERTYPE_IP, _ => Ethernet.ETHERTYPE_IPV6 });
        return bytes;
    }

    private static int Packet(Random random, Span<byte> to)
    {
        to[..12].Clear();
        if (random.Next(3) == 0)
            new NetHeader(NetHeaderFlags.VIRTIO_NET_HDR_F_NEEDS_CSUM, (NetSegmentation)(random.Next(2) == 0 ? 0 : random.Next(6)), 54, (ushort)random.Next(2000), 34, 16).Write(to);
        bool isV4 = random.Next(3) != 0;
        Ethernet.Write(to[12..], HostMac.Of(TestGuest.Gateway), TestGuest.Mac, isV4 ? Ethernet.ETHERTYPE_IP : Ethernet.ETHERTYPE_IPV6);
        int payload = random.Next(8) == 0 ? random.Next(9000) : random.Next(100);
        byte protocol = random.Next(5) switch { 0 => isV4 ? IpHeader.IPPROTO_ICMP : IpHeader.IPPROTO_ICMPV6, 1 or 2 => IpHeader.IPPROTO_UDP, _ => IpHeader.IPPROTO_TCP };
        (IpAddress source, IpAddress target) = isV4 ? AddressesV4(random) : AddressesV6(random);
        int offset = random.Next(20) == 0 ? random.Next(8192) * 8 : 0;
        bool more = random.Next(20) == 0;
        int headerBytes = IpHeader.PlainBytes(source) + (!isV4 && (more || offset != 0) ? Ipv6Header.FragmentBytes : 0);
        byte hops = (byte)(random.Next(3) switch { 0 => random.Next(3), 1 => 255, _ => random.Next(255) });
        IpHeader ip = new(source, target, protocol, hops, headerBytes, headerBytes + payload, (ushort)random.Next(20), offset, more);
        ip.Write(to[26..]);
        Span<byte> body = to.Slice(26 + headerBytes, payload);
        random.NextBytes(body);
        if (payload >= 24) MakeBody(random, body, ip);
        // Extension headers of any kind, whose lengths are what stands there.
        if (!isV4 && random.Next(10) == 0) to[26 + 6] = (byte)(random.Next(4) switch { 0 => 0, 1 => 43, 2 => 44, _ => 60 });
        return 26 + headerBytes + payload;
    }

    private static (IpAddress, IpAddress) AddressesV4(Random random)
    {
        Ipv4Address target = random.Next(6) switch
        {
            0 => TestGuest.Elsewhere,
            1 => TestGuest.NameServer,
            2 => Ipv4Address.Broadcast,
            3 => new((uint)random.NextInt64(uint.MaxValue)),
            _ => TestGuest.Gateway,
        };
        return (random.Next(10) == 0 ? default : new Ipv4Address(0x0a00020f + (uint)random.Next(3)), target);
    }

    private static (IpAddress, IpAddress) AddressesV6(Random random)
    {
        IpAddress target = random.Next(7) switch
        {
            0 => TestGuest.ElsewhereV6,
            1 => UserNetOptions.DnsAddressV6,
            2 => UserNetOptions.RouterAddress,
            3 => new((UInt128)random.NextInt64() << 64 | (UInt128)random.NextInt64()),
            4 => TestGuest.V6("ff02::1"),
            _ => UserNetOptions.HostAddressV6,
        };
        return (random.Next(10) == 0 ? default(IpAddress) : new(UserNetOptions.PrefixV6.Value + 0x10000 + (uint)random.Next(3)), target);
    }

    private static void MakeBody(Random random, Span<byte> body, in IpHeader ip)
    {
        switch (ip.Protocol)
        {
            case IpHeader.IPPROTO_TCP:
                new TcpHeader((ushort)random.Next(1, 30), (ushort)random.Next(1, 6), (uint)random.Next(20), (uint)random.Next(), (TcpFlags)random.Next(64),
                    (ushort)random.Next(65536), 0, random.Next(2) == 0 ? (ushort)random.Next(65536) : (ushort)0).Write(body);
                if (random.Next(8) != 0) Sum(body, ip, TcpHeader.ChecksumAt);
                break;
            case IpHeader.IPPROTO_UDP:
                new UdpHeader((ushort)random.Next(1, 30), (ushort)(random.Next(3) switch { 0 => 53, 1 => 67, _ => 9 }), body.Length, 0).Write(body);
                if (!ip.IsV4) Sum(body, ip, UdpHeader.ChecksumAt);
                break;
            case IpHeader.IPPROTO_ICMP:
                (body[0], body[1], body[2], body[3]) = (8, 0, 0, 0);
                BinaryPrimitives.WriteUInt16BigEndian(body[2..], InternetChecksum.Of(body));
                break;
            default:
                (body[0], body[1], body[2], body[3]) = ((byte)random.Next(127, 140), (byte)(random.Next(5) == 0 ? 1 : 0), 0, 0);
                if (random.Next(2) == 0) UserNetOptions.HostAddressV6.Write(body[8..]);
                Sum(body, ip, IcmpMessage.ChecksumAt);
                break;
        }
    }

    private static void Sum(Span<byte> body, in IpHeader ip, int at)
    {
        InternetChecksum sum = default;
        sum.AddPseudoHeader(ip.Source, ip.Destination, ip.Protocol, body.Length);
        sum.Add(body);
        BinaryPrimitives.WriteUInt16BigEndian(body[at..], sum.Value);
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
