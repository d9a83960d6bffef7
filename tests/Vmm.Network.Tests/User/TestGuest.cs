using System.Buffers.Binary;
using System.Net;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Host.Sockets;
using Vmm.Network.User;
using Vmm.Network.User.Packets;
using Vmm.TestKit;

namespace Vmm.Network.Tests.User;

/// <summary>A guest that speaks in single frames to a network whose host side the test plays.</summary>
internal sealed class TestGuest : INetReceiver, IDisposable
{
    public static readonly Ipv4Address Address = new(0x0a00020f);
    public static readonly Ipv4Address Gateway = new(0x0a000202);
    public static readonly Ipv4Address NameServer = new(0x0a000203);
    public static readonly Ipv4Address Elsewhere = new(0xc6336401);
    public static readonly MacAddress Mac = new(0x525400123456);

    private const int IpAt = INetBackend.HeaderBytes + Ethernet.HeaderBytes;

    private readonly PinnedBuffer _send = new(INetBackend.MostFrameBytes);
    private readonly PinnedBuffer _receive = new(INetBackend.MostFrameBytes);

    public TestGuest(UserNetOptions? options = null, NetOffloads accepted = NetOffloads.None)
    {
        Net = new(options ?? new UserNetOptions { ResolverFile = "/dev/null" }, Clock, events =>
        {
            Host.Events = events;
            return Host;
        });
        Net.Attach(this);
        Net.Configure(accepted, 1);
    }

    public FakeClock Clock { get; } = new();

    public FakeHost Host { get; } = new();

    public UserNetwork Net { get; }

    /// <summary>How often the network said that there are frames.</summary>
    public int Wakes { get; private set; }

    /// <summary>The size of the buffers that the guest receives into.</summary>
    public int ReceiveRoom { get; set; } = INetBackend.MostFrameBytes;

    public void FramesReady(int queue) => Wakes++;

    public void RoomToSend(int queue) { }

    public void Dispose() => Net.Dispose();

    /// <summary>Lets the network know the guest's Ethernet address.</summary>
    public TestGuest Known()
    {
        SendArp(ArpPacket.REQUEST, Gateway);
        _ = Drain();
        return this;
    }

    public NetSendResult SendFrame(ReadOnlySpan<byte> frame)
    {
        frame.CopyTo(_send.Span);
        return Net.Send(0, [_send.Vector(0, frame.Length)]);
    }

    public void SendArp(ushort operation, Ipv4Address target)
    {
        byte[] frame = new byte[IpAt + ArpPacket.Bytes];
        Ethernet.Write(frame.AsSpan(INetBackend.HeaderBytes), MacAddress.Broadcast, Mac, Ethernet.ETHERTYPE_ARP);
        new ArpPacket(operation, Mac, Address, default, target).Write(frame.AsSpan(IpAt));
        SendFrame(frame);
    }

    public NetSendResult SendIp(Ipv4Address to, byte protocol, ReadOnlySpan<byte> payload, NetHeader header = default, byte hops = 64, Ipv4Address? from = null,
        int fragmentOffset = 0, bool more = false)
    {
        byte[] frame = new byte[IpAt + Ipv4Header.LeastBytes + payload.Length];
        header.Write(frame);
        Ethernet.Write(frame.AsSpan(INetBackend.HeaderBytes), HostMac.Of(to == NameServer ? NameServer : Gateway), Mac, Ethernet.ETHERTYPE_IP);
        new Ipv4Header(from ?? Address, to, protocol, hops, Ipv4Header.LeastBytes, Ipv4Header.LeastBytes + payload.Length, 7, fragmentOffset, more, false)
            .Write(frame.AsSpan(IpAt));
        payload.CopyTo(frame.AsSpan(IpAt + Ipv4Header.LeastBytes));
        return SendFrame(frame);
    }

    public NetSendResult SendUdp(Ipv4Address to, ushort fromPort, ushort toPort, ReadOnlySpan<byte> payload, byte hops = 64, Ipv4Address? from = null)
    {
        byte[] datagram = new byte[UdpHeader.Bytes + payload.Length];
        new UdpHeader(fromPort, toPort, datagram.Length, 0).Write(datagram);
        payload.CopyTo(datagram.AsSpan(UdpHeader.Bytes));
        return SendIp(to, Ipv4Header.IPPROTO_UDP, datagram, hops: hops, from: from);
    }

    public NetSendResult SendTcp(Ipv4Address to, in TcpHeader tcp, ReadOnlySpan<byte> payload = default, NetHeader header = default)
    {
        byte[] segment = new byte[tcp.WrittenBytes + payload.Length];
        tcp.Write(segment);
        payload.CopyTo(segment.AsSpan(tcp.WrittenBytes));
        InternetChecksum sum = default;
        sum.AddPseudoHeader(Address, to, Ipv4Header.IPPROTO_TCP, segment.Length);
        if (!header.NeedsChecksum) sum.Add(segment);
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(TcpHeader.ChecksumAt), header.NeedsChecksum ? sum.Folded : sum.Value);
        return SendIp(to, Ipv4Header.IPPROTO_TCP, segment, header);
    }

    public void SendEcho(Ipv4Address to, ushort id, ushort sequence, int bytes = 16, byte hops = 64)
    {
        byte[] message = new byte[IcmpMessage.HeaderBytes + bytes];
        message[0] = IcmpMessage.ECHO;
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(IcmpMessage.IdAt), id);
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(IcmpMessage.SequenceAt), sequence);
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(IcmpMessage.ChecksumAt), InternetChecksum.Of(message));
        SendIp(to, Ipv4Header.IPPROTO_ICMP, message, hops: hops);
    }

    /// <summary>The next frame; null for none.</summary>
    public GotFrame? Receive()
    {
        int bytes = Net.Receive(0, [_receive.Vector(0, ReceiveRoom)]);
        return bytes == 0 ? null : new GotFrame(_receive.Span[..bytes].ToArray());
    }

    /// <summary>All frames that there are.</summary>
    public List<GotFrame> Drain()
    {
        List<GotFrame> frames = [];
        while (Receive() is { } frame && frames.Count < 10_000) frames.Add(frame);
        return frames;
    }

    public GotFrame Single() => Assert.Single(Drain());

    public static InetEndPoint At(string address, ushort port) => InetEndPoint.From(IPAddress.Parse(address), port);
}
