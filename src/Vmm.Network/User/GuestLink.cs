using System.Buffers.Binary;
using Vmm.Core.Backends;
using Vmm.Core.Time;
using Vmm.Network.User.Dhcp;
using Vmm.Network.User.Discovery;
using Vmm.Network.User.Packets;

namespace Vmm.Network.User;

/// <summary>The wire to the guest: who stands in line to send, answers that wait, and how packets become frames. Under the network's lock.</summary>
internal sealed class GuestLink : IDhcpLink
{
    /// <summary>Bytes before the IP packet: virtio's header and Ethernet's.</summary>
    public const int FrameHeaderBytes = INetBackend.HeaderBytes + Ethernet.HeaderBytes;

    private const byte Hops = 64;

    /// <summary>What neighbours say to each other: that it arrives so shows that no router passed it on (RFC 4861 §3.1).</summary>
    private const byte MostHops = 255;

    private readonly Queue<IFrameSource>[] _lines;
    private readonly bool[] _isIdle;
    private readonly IClockTimer _timer;
    private long _timerNs = long.MaxValue;
    private uint _wakes;
    private uint _nextId;

    /// <param name="options">The network.</param>
    /// <param name="clock">The machine's time, which stands still while the guest is paused: no connection ends by that.</param>
    /// <param name="expired">Called when a deadline of <see cref="Schedule"/> has come.</param>
    public GuestLink(UserNetOptions options, IClock clock, Action expired)
    {
        Options = options;
        Clock = clock;
        Random = options.Seed is { } seed ? new Random(seed) : Random.Shared;
        _lines = [.. Enumerable.Range(0, options.Queues).Select(_ => new Queue<IFrameSource>())];
        _isIdle = new bool[options.Queues];
        Array.Fill(_isIdle, true);
        _timer = clock.CreateTimer(expired);
    }

    public UserNetOptions Options { get; }

    public IClock Clock { get; }

    /// <summary>For numbers that are not to be foretold by chance; the guest is no stranger on its own wire.</summary>
    public Random Random { get; }

    public Outbox Outbox { get; } = new();

    public Neighbours Neighbours { get; } = new();

    int IDhcpLink.MostLeases => 64;

    bool IDhcpLink.KnowsByMac => true;

    /// <summary>What the guest takes unfinished.</summary>
    public NetOffloads Accepted { get; private set; }

    /// <summary>Pairs of queues in use.</summary>
    public int ActiveQueues { get; private set; } = 1;

    public void Configure(NetOffloads accepted, int queues)
    {
        Accepted = Options.HasOffloads ? accepted : NetOffloads.None;
        ActiveQueues = Math.Clamp(queues, 1, _lines.Length);
        for (int i = ActiveQueues; i < _lines.Length; i++)
        {
            while (_lines[i].TryDequeue(out IFrameSource? source)) _lines[0].Enqueue(source);
        }

        if (_lines[0].Count > 0) Wake(0);
    }

    /// <summary>Forgets what waits for the guest.</summary>
    public void Clear()
    {
        Outbox.Clear();
        foreach (Queue<IFrameSource> line in _lines)
        {
            foreach (IFrameSource source in line) source.IsInLine = false;
            line.Clear();
        }

        Neighbours.Clear();
    }

    public void Close() => _timer.Dispose();

    /// <summary>Puts someone who has frames in line.</summary>
    public void Line(IFrameSource source)
    {
        if (source.IsInLine) return;
        source.IsInLine = true;
        int queue = source.Queue % ActiveQueues;
        _lines[queue].Enqueue(source);
        Wake(queue);
    }

    /// <summary>The next in line; it is out of line then.</summary>
    public IFrameSource? Next(int queue)
    {
        if (!_lines[queue].TryDequeue(out IFrameSource? source))
        {
            _isIdle[queue] = true;
            return null;
        }

        source.IsInLine = false;
        return source;
    }

    /// <summary>The queues whose guest has to be told of frames, one bit each; told after the lock is free.</summary>
    public uint TakeWakes()
    {
        uint wakes = _wakes;
        _wakes = 0;
        return wakes;
    }

    /// <summary>Has the guest told of frames although it was not idle.</summary>
    public void WakeAgain(int queue) => _wakes |= 1u << queue;

    /// <summary>Has the timer expire at a deadline, if not before.</summary>
    public void Schedule(long deadlineNs)
    {
        if (deadlineNs >= _timerNs) return;
        _timerNs = deadlineNs;
        _timer.Arm(deadlineNs);
    }

    /// <summary>The timer has expired: no deadline stands.</summary>
    public void BeginExpiry() => _timerNs = long.MaxValue;

    /// <summary>Sends an IP packet to the guest, in fragments where it is longer than the MTU.</summary>
    /// <returns>False when the address is not known yet (it is being asked for) or the outbox is full.</returns>
    public bool PutIp(IpAddress source, IpAddress destination, byte protocol, ReadOnlySpan<byte> payload)
    {
        if (!Neighbours.TryFind(destination, out MacAddress mac))
        {
            AskFor(destination);
            return false;
        }

        return PutIp(mac, source, destination, protocol, payload);
    }

    /// <summary>Sends an IP packet to an Ethernet address.</summary>
    public bool PutIp(MacAddress mac, IpAddress source, IpAddress destination, byte protocol, ReadOnlySpan<byte> payload, byte hops = Hops)
    {
        uint id = _nextId++;
        int plainBytes = IpHeader.PlainBytes(source);
        bool isCut = plainBytes + payload.Length > Options.Mtu;
        int headerBytes = plainBytes + (isCut && !source.IsV4 ? Ipv6Header.FragmentBytes : 0);
        int most = isCut ? (Options.Mtu - headerBytes) / IpHeader.FragmentUnit * IpHeader.FragmentUnit : payload.Length;
        int at = 0;
        do
        {
            int count = Math.Min(most, payload.Length - at);
            Span<byte> frame = Outbox.Add(FrameHeaderBytes + headerBytes + count);
            if (frame.IsEmpty) return false;
            IpHeader ip = new(source, destination, protocol, hops, headerBytes, headerBytes + count, id, at, at + count < payload.Length);
            WriteHeaders(frame, default, mac, ip);
            payload.Slice(at, count).CopyTo(frame[(FrameHeaderBytes + headerBytes)..]);
            at += count;
        }
        while (at < payload.Length);
        Wake(0);
        return true;
    }

    /// <summary>Sends a control message, and fills in its checksum.</summary>
    /// <param name="source">Whom the guest sees.</param>
    /// <param name="destination">The guest.</param>
    /// <param name="message">The message of ICMP or ICMPv6, as the addresses are.</param>
    public void PutIcmp(IpAddress source, IpAddress destination, Span<byte> message)
    {
        SumIcmp(source, destination, message);
        PutIp(source, destination, IpHeader.ControlProtocol(source), message);
    }

    /// <summary>Sends a message of neighbour discovery.</summary>
    public void PutNeighbourMessage(MacAddress mac, IpAddress source, IpAddress destination, Span<byte> message)
    {
        SumIcmp(source, destination, message);
        PutIp(mac, source, destination, IpHeader.IPPROTO_ICMPV6, message, MostHops);
    }

    /// <summary>Writes what stands before the payload of IP.</summary>
    public void WriteHeaders(Span<byte> frame, in NetHeader header, MacAddress mac, in IpHeader ip)
    {
        header.Write(frame);
        MacAddress own = HostMac.Of(ip.Source == Options.DnsAddress ? Options.DnsAddress : Options.HostAddress);
        Ethernet.Write(frame[INetBackend.HeaderBytes..], mac, own, ip.IsV4 ? Ethernet.ETHERTYPE_IP : Ethernet.ETHERTYPE_IPV6);
        ip.Write(frame[FrameHeaderBytes..]);
    }

    /// <summary>An IP header of our own that is not for fragments.</summary>
    public IpHeader NewHeader(IpAddress source, IpAddress destination, byte protocol, int payloadBytes)
    {
        int headerBytes = IpHeader.PlainBytes(source);
        return new(source, destination, protocol, Hops, headerBytes, headerBytes + payloadBytes, _nextId++, DontFragment: true);
    }

    /// <summary>Sends a datagram to the guest.</summary>
    /// <param name="source">Whom the guest sees.</param>
    /// <param name="destination">The guest.</param>
    /// <param name="datagram">Room for the UDP header, then the payload.</param>
    /// <param name="mac">The guest's Ethernet address where it is known otherwise.</param>
    public bool PutUdp((IpAddress Address, ushort Port) source, (IpAddress Address, ushort Port) destination, Span<byte> datagram, MacAddress? mac = null)
    {
        new UdpHeader(source.Port, destination.Port, datagram.Length, 0).Write(datagram);
        InternetChecksum sum = default;
        sum.AddPseudoHeader(source.Address, destination.Address, IpHeader.IPPROTO_UDP, datagram.Length);
        sum.Add(datagram);
        // 0 would say that there is none (RFC 768).
        ushort value = sum.Value == 0 ? ushort.MaxValue : sum.Value;
        BinaryPrimitives.WriteUInt16BigEndian(datagram[UdpHeader.ChecksumAt..], value);
        return mac is { } known
            ? PutIp(known, source.Address, destination.Address, IpHeader.IPPROTO_UDP, datagram)
            : PutIp(source.Address, destination.Address, IpHeader.IPPROTO_UDP, datagram);
    }

    /// <summary>Asks for the Ethernet address of a guest.</summary>
    public void AskFor(IpAddress address)
    {
        if (!Neighbours.MayAsk(address, Clock.NowNs)) return;
        if (!address.IsV4)
        {
            NeighbourDiscovery.Ask(this, address);
            return;
        }

        Span<byte> frame = Outbox.Add(FrameHeaderBytes + ArpPacket.Bytes);
        if (frame.IsEmpty) return;
        default(NetHeader).Write(frame);
        MacAddress own = HostMac.Of(Options.HostAddress);
        Ethernet.Write(frame[INetBackend.HeaderBytes..], MacAddress.Broadcast, own, Ethernet.ETHERTYPE_ARP);
        new ArpPacket(ArpPacket.REQUEST, own, Options.HostAddress, default, address.V4).Write(frame[FrameHeaderBytes..]);
        Wake(0);
    }

    /// <summary>Answers an ARP request for one of our addresses.</summary>
    public void AnswerArp(in ArpPacket request)
    {
        Span<byte> frame = Outbox.Add(FrameHeaderBytes + ArpPacket.Bytes);
        if (frame.IsEmpty) return;
        default(NetHeader).Write(frame);
        MacAddress own = HostMac.Of(request.TargetAddress);
        Ethernet.Write(frame[INetBackend.HeaderBytes..], request.SenderMac, own, Ethernet.ETHERTYPE_ARP);
        new ArpPacket(ArpPacket.REPLY, own, request.TargetAddress, request.SenderMac, request.SenderAddress).Write(frame[FrameHeaderBytes..]);
        Wake(0);
    }

    /// <summary>Fills in the checksum, which with IPv6 is over the addresses, too (RFC 4443 §2.3).</summary>
    private static void SumIcmp(IpAddress source, IpAddress destination, Span<byte> message)
    {
        BinaryPrimitives.WriteUInt16BigEndian(message[IcmpMessage.ChecksumAt..], 0);
        InternetChecksum sum = default;
        if (!source.IsV4) sum.AddPseudoHeader(source, destination, IpHeader.IPPROTO_ICMPV6, message.Length);
        sum.Add(message);
        BinaryPrimitives.WriteUInt16BigEndian(message[IcmpMessage.ChecksumAt..], sum.Value);
    }

    private void Wake(int queue)
    {
        if (!_isIdle[queue]) return;
        _isIdle[queue] = false;
        _wakes |= 1u << queue;
    }

    Ipv4Address? IDhcpLink.ReservedFor(MacAddress mac) => null;

    bool IDhcpLink.IsReserved(Ipv4Address address) => false;

    void IDhcpLink.Bound(Ipv4Address address, ReadOnlySpan<byte> identity)
    {
        // It lives as long as the guest.
    }

    void IDhcpLink.SendReply(Ipv4Address to, MacAddress mac, bool answersArp, Span<byte> datagram)
        => PutUdp((Options.HostAddress, DhcpServer.ServerPort), (to, DhcpServer.ClientPort), datagram, mac);
}
