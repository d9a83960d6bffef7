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
    public static readonly IpAddress AddressV6 = V6("fd00::5054:ff:fe12:3456");
    public static readonly IpAddress ElsewhereV6 = V6("2001:db8::1");
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

    public NetSendResult SendIp(IpAddress to, byte protocol, ReadOnlySpan<byte> payload, NetHeader header = default, byte hops = 64, IpAddress? from = null,
        int fragmentOffset = 0, bool more = false)
    {
        bool isFragmentV6 = !to.IsV4 && (more || fragmentOffset != 0);
        int headerBytes = IpHeader.PlainBytes(to) + (isFragmentV6 ? Ipv6Header.FragmentBytes : 0);
        byte[] frame = new byte[IpAt + headerBytes + payload.Length];
        header.Write(frame);
        MacAddress mac = to.IsMulticast ? HostMac.OfGroup(to) : HostMac.Of(to == NameServer ? NameServer : Gateway);
        Ethernet.Write(frame.AsSpan(INetBackend.HeaderBytes), mac, Mac, to.IsV4 ? Ethernet.ETHERTYPE_IP : Ethernet.ETHERTYPE_IPV6);
        new IpHeader(from ?? Own(to), to, protocol, hops, headerBytes, headerBytes + payload.Length, 7, fragmentOffset, more).Write(frame.AsSpan(IpAt));
        payload.CopyTo(frame.AsSpan(IpAt + headerBytes));
        return SendFrame(frame);
    }

    public NetSendResult SendUdp(IpAddress to, ushort fromPort, ushort toPort, ReadOnlySpan<byte> payload, byte hops = 64, IpAddress? from = null)
    {
        byte[] datagram = new byte[UdpHeader.Bytes + payload.Length];
        new UdpHeader(fromPort, toPort, datagram.Length, 0).Write(datagram);
        payload.CopyTo(datagram.AsSpan(UdpHeader.Bytes));
        if (!to.IsV4) Sum(datagram, UdpHeader.ChecksumAt, from ?? AddressV6, to, IpHeader.IPPROTO_UDP);
        return SendIp(to, IpHeader.IPPROTO_UDP, datagram, hops: hops, from: from);
    }

    public NetSendResult SendTcp(IpAddress to, in TcpHeader tcp, ReadOnlySpan<byte> payload = default, NetHeader header = default)
    {
        byte[] segment = new byte[tcp.WrittenBytes + payload.Length];
        tcp.Write(segment);
        payload.CopyTo(segment.AsSpan(tcp.WrittenBytes));
        InternetChecksum sum = default;
        sum.AddPseudoHeader(Own(to), to, IpHeader.IPPROTO_TCP, segment.Length);
        if (!header.NeedsChecksum) sum.Add(segment);
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(TcpHeader.ChecksumAt), header.NeedsChecksum ? sum.Folded : sum.Value);
        return SendIp(to, IpHeader.IPPROTO_TCP, segment, header);
    }

    public void SendEcho(IpAddress to, ushort id, ushort sequence, int bytes = 16, byte hops = 64)
    {
        byte[] message = new byte[IcmpMessage.HeaderBytes + bytes];
        message[0] = to.IsV4 ? IcmpMessage.ECHO : IcmpV6Message.ICMP6_ECHO_REQUEST;
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(IcmpMessage.IdAt), id);
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(IcmpMessage.SequenceAt), sequence);
        if (to.IsV4) BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(IcmpMessage.ChecksumAt), InternetChecksum.Of(message));
        else Sum(message, IcmpMessage.ChecksumAt, AddressV6, to, IpHeader.IPPROTO_ICMPV6);
        SendIp(to, IpHeader.ControlProtocol(to), message, hops: hops);
    }

    /// <summary>Sends a message of ICMPv6 about neighbours: type, code, four bytes, and what follows.</summary>
    public NetSendResult SendNeighbour(byte type, IpAddress to, ReadOnlySpan<byte> rest, IpAddress? from = null, byte hops = 255, byte code = 0)
    {
        byte[] message = [type, code, 0, 0, 0, 0, 0, 0, .. rest];
        Sum(message, IcmpMessage.ChecksumAt, from ?? AddressV6, to, IpHeader.IPPROTO_ICMPV6);
        return SendIp(to, IpHeader.IPPROTO_ICMPV6, message, hops: hops, from: from);
    }

    public static IpAddress V6(string text) => IpAddress.TryParse(text, out IpAddress address) ? address : throw new ArgumentException(text);

    private static IpAddress Own(IpAddress to) => to.IsV4 ? Address : AddressV6;

    private static void Sum(Span<byte> message, int at, IpAddress from, IpAddress to, byte protocol)
    {
        InternetChecksum sum = default;
        sum.AddPseudoHeader(from, to, protocol, message.Length);
        sum.Add(message);
        BinaryPrimitives.WriteUInt16BigEndian(message[at..], sum.Value);
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
