using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Core.Time;
using Vmm.Network.User.Dhcp;
using Vmm.Network.User.Discovery;
using Vmm.Network.User.Dns;
using Vmm.Network.User.Icmp;
using Vmm.Network.User.Packets;
using Vmm.Network.User.Sockets;
using Vmm.Network.User.Tcp;
using Vmm.Network.User.Udp;

namespace Vmm.Network.User;

/// <summary>The machines on the other end of the guest's wire: sorts the guest's frames and collects those for it. Under the network's lock.</summary>
internal sealed class UserStack : IDisposable
{
    private const int HeadBytes = GuestLink.FrameHeaderBytes + IpHeader.MostBytes + TcpHeader.MostBytes;
    private const int ProducedAtOnce = 256;

    // A whole frame, or a datagram on its way in.
    private readonly byte[] _scratch = GC.AllocateUninitializedArray<byte>(INetBackend.MostFrameBytes);
    private readonly UserNetOptions _options;
    private readonly GuestLink _link;
    private readonly Reassembler _reassembler = new();
    private readonly IcmpSender _icmp;
    private readonly TcpFlows _tcp;
    private readonly UdpFlows _udp;
    private readonly EchoFlows _echo;
    private readonly DhcpServer _dhcp;
    private readonly NeighbourDiscovery? _discovery;
    private readonly Forwards _forwards;
    private ulong _framesIn, _framesOut, _dropped;

    /// <exception cref="Vmm.Host.LinuxException">A forwarded port cannot be had.</exception>
    public UserStack(UserNetOptions options, IHostSockets sockets, IClock clock, Action expired)
    {
        _options = options;
        _link = new(options, clock, expired);
        Routes routes = new(options, new Resolvers(options.ResolverFile, clock));
        _icmp = new(_link);
        _tcp = new(_link, sockets, routes, _icmp);
        _udp = new(_link, sockets, routes, _icmp, _scratch);
        _echo = new(_link, sockets, routes, _icmp, _scratch);
        _dhcp = new(_link);
        if (options.HasIPv6) _discovery = new(_link);
        try
        {
            _forwards = new(_link, sockets, routes, _tcp, _scratch);
        }
        catch
        {
            _link.Close();
            throw;
        }
    }

    /// <summary>What the guest may leave undone.</summary>
    public NetOffloads Offloads
        => _options.HasOffloads ? NetOffloads.Checksum | NetOffloads.Tso4 | NetOffloads.Tso6 | NetOffloads.TsoEcn | NetOffloads.Uso : NetOffloads.None;

    public UserNetStatistics Statistics => new(_framesIn, _framesOut, _dropped, _link.Outbox.Dropped, _tcp.ReceivedBytes, _tcp.SentBytes,
        _udp.SentBytes, _udp.ReceivedBytes, _tcp.OpenedCount, _tcp.RefusedCount, _tcp.RetransmittedCount, _tcp.Count, _udp.Count, _echo.Count);

    public void Configure(NetOffloads accepted, int queues) => _link.Configure(accepted, queues);

    public uint TakeWakes() => _link.TakeWakes();

    /// <summary>Takes a frame of the guest.</summary>
    public NetSendResult Input(int queue, ReadOnlySpan<IoVec> frame)
    {
        _framesIn++;
        if (TryInput(queue, frame)) return NetSendResult.Sent;
        _dropped++;
        return NetSendResult.Dropped;
    }

    /// <summary>Gives the guest a frame.</summary>
    public int Output(int queue, ReadOnlySpan<IoVec> into)
    {
        if ((uint)queue >= (uint)_options.Queues || !IoCursor.TrySum(into, out ulong sum)) return 0;
        int room = (int)Math.Min(sum, INetBackend.MostFrameBytes);
        for (int i = 0; i < ProducedAtOnce; i++)
        {
            int written = 0;
            if (queue == 0 && !_link.Outbox.IsEmpty) written = _link.Outbox.Take(into, room);
            else if (_link.Next(queue) is { } source) written = source.Produce(into, room);
            else return 0;
            if (written == 0) continue;
            _framesOut++;
            return written;
        }

        // Enough for one turn, and there is more: have the guest ask again.
        _link.WakeAgain(queue);
        return 0;
    }

    /// <summary>Does what has become due.</summary>
    public void Expire()
    {
        _link.BeginExpiry();
        long now = _link.Clock.NowNs;
        _tcp.Expire(now);
        long next = Math.Min(Math.Min(_udp.Expire(now), _echo.Expire(now)), _discovery?.Expire(now) ?? long.MaxValue);
        if (next != long.MaxValue) _link.Schedule(next);
    }

    /// <summary>The guest is another one now: its connections are gone.</summary>
    public void Forget()
    {
        _tcp.AbortAll();
        _udp.CloseAll();
        _echo.CloseAll();
        _discovery?.Forget();
        _link.Clear();
    }

    public void Dispose()
    {
        Forget();
        _forwards.Dispose();
        _link.Close();
    }

    private bool TryInput(int queue, ReadOnlySpan<IoVec> frame)
    {
        if (!IoCursor.TrySum(frame, out ulong sum) || sum is < GuestLink.FrameHeaderBytes or > INetBackend.MostFrameBytes) return false;
        int bytes = (int)sum;
        Span<byte> head = stackalloc byte[HeadBytes];
        head = head[..Math.Min(bytes, HeadBytes)];
        new IoCursor(frame).Drain(head);
        if (!NetHeader.Read(head).TryCheck(sum - INetBackend.HeaderBytes, Offloads, out NetHeader header)) return false;
        ReadOnlySpan<byte> ethernet = head[INetBackend.HeaderBytes..];
        ReadOnlySpan<byte> packet = head[GuestLink.FrameHeaderBytes..];
        bool isSegmented = header.Segmentation != NetSegmentation.VIRTIO_NET_HDR_GSO_NONE;
        switch (Ethernet.Type(ethernet))
        {
            case Ethernet.ETHERTYPE_ARP:
                return TryArp(packet);
            case Ethernet.ETHERTYPE_IP when IsOurs(Ethernet.Destination(ethernet)):
                return Ipv4Header.TryRead(packet, bytes - GuestLink.FrameHeaderBytes, isSegmented, out IpHeader ip4)
                    && TryIp(queue, frame, header, Ethernet.Source(ethernet), packet, ip4);
            case Ethernet.ETHERTYPE_IPV6 when _options.HasIPv6 && IsOurs(Ethernet.Destination(ethernet)):
                return Ipv6Header.TryRead(packet, bytes - GuestLink.FrameHeaderBytes, isSegmented, out IpHeader ip6)
                    && TryIp(queue, frame, header, Ethernet.Source(ethernet), packet, ip6);
            default:
                return false;
        }
    }

    private bool TryArp(ReadOnlySpan<byte> packet)
    {
        if (!ArpPacket.TryRead(packet, out ArpPacket arp) || arp.SenderMac.IsMulticast) return false;
        if (_options.IsGuest(arp.SenderAddress)) _link.Neighbours.Learn(arp.SenderAddress, arp.SenderMac);
        bool asksUs = arp.Operation == ArpPacket.REQUEST && (arp.TargetAddress == _options.HostAddress || arp.TargetAddress == _options.DnsAddress);
        if (asksUs) _link.AnswerArp(arp);
        return true;
    }

    private bool IsOurs(MacAddress mac)
        => mac == MacAddress.Broadcast || mac == HostMac.Of(_options.HostAddress) || mac == HostMac.Of(_options.DnsAddress) || (_options.HasIPv6 && HostMac.IsGroup(mac));

    private bool TryIp(int queue, ReadOnlySpan<IoVec> frame, in NetHeader header, MacAddress mac, ReadOnlySpan<byte> head, in IpHeader ip)
    {
        // Who has no address yet may ask for one: by DHCP, or whether somebody has it already.
        if (_options.IsGuest(ip.Source)) _link.Neighbours.Learn(ip.Source, mac);
        else if (!ip.Source.IsUnspecified || ip.Protocol != (ip.IsV4 ? IpHeader.IPPROTO_UDP : IpHeader.IPPROTO_ICMPV6)) return false;
        bool isForUs = _options.IsHost(ip.Destination) || _options.IsNameServer(ip.Destination);
        bool isForAll = ip.Destination == Ipv4Address.Broadcast || ip.Destination.IsMulticast;
        if (!isForUs && !isForAll && ip.Hops <= 1)
        {
            _icmp.PutError(IcmpError.HopsExceeded, head[..Math.Min(head.Length, ip.TotalBytes)], ip);
            return true;
        }

        // What is good on this wire only does not leave it (RFC 4291 §2.5.6).
        if (ip.Source.IsLinkLocal && !isForUs && !isForAll) return false;
        if (ip.IsFragment) return TryFragment(queue, frame, ip);
        if (ip.Protocol == IpHeader.IPPROTO_TCP) return TryTcp(queue, frame, header, ip, head[ip.HeaderBytes..]);
        return TryWhole(queue, Linear(frame, ip.TotalBytes), ip, header);
    }

    private bool TryFragment(int queue, ReadOnlySpan<IoVec> frame, in IpHeader ip)
    {
        Span<byte> packet = Linear(frame, ip.TotalBytes);
        if (!_reassembler.TryAdd(ip, packet[ip.HeaderBytes..], _link.Clock.NowNs, out Span<byte> whole)) return true;
        // TCP in fragments is nothing that a machine beside its router sends.
        bool isRead = ip.IsV4 ? Ipv4Header.TryRead(whole, whole.Length, false, out IpHeader header) : Ipv6Header.TryRead(whole, whole.Length, false, out header);
        return isRead && !header.IsFragment && header.Protocol != IpHeader.IPPROTO_TCP && TryWhole(queue, whole, header, default);
    }

    private bool TryTcp(int queue, ReadOnlySpan<IoVec> frame, in NetHeader header, in IpHeader ip, ReadOnlySpan<byte> segment)
    {
        if (!TcpHeader.TryRead(segment, ip.PayloadBytes, out TcpHeader tcp)) return false;
        if (!header.NeedsChecksum && !IsSumGood(ip, Linear(frame, ip.TotalBytes)[ip.HeaderBytes..])) return false;
        int payloadAt = GuestLink.FrameHeaderBytes + ip.HeaderBytes + tcp.HeaderBytes;
        _tcp.Input(queue, ip, tcp, frame, payloadAt, ip.PayloadBytes - tcp.HeaderBytes);
        return true;
    }

    private bool TryWhole(int queue, Span<byte> packet, in IpHeader ip, in NetHeader header)
    {
        switch (ip.Protocol)
        {
            case IpHeader.IPPROTO_UDP:
                return TryUdp(queue, packet, ip, header);
            case IpHeader.IPPROTO_ICMP when ip.IsV4:
                if (InternetChecksum.Of(packet[ip.HeaderBytes..ip.TotalBytes]) != 0 || !_options.IsGuest(ip.Source)) return false;
                _echo.Input(ip, packet);
                return true;
            case IpHeader.IPPROTO_ICMPV6 when !ip.IsV4:
                if (!IsSumGood(ip, packet[ip.HeaderBytes..ip.TotalBytes])) return false;
                if (_discovery!.TryInput(ip, packet[ip.HeaderBytes..ip.TotalBytes])) return true;
                if (!_options.IsGuest(ip.Source)) return false;
                _echo.Input(ip, packet);
                return true;
            default:
                return false;
        }
    }

    private bool TryUdp(int queue, ReadOnlySpan<byte> packet, in IpHeader ip, in NetHeader header)
    {
        ReadOnlySpan<byte> datagram = packet[ip.HeaderBytes..];
        if (!UdpHeader.TryRead(datagram, out UdpHeader udp)) return false;
        // A datagram of IPv6 has a checksum always (RFC 8200 §8.1).
        bool isUnsummed = udp.Checksum == 0 && ip.IsV4;
        if (!header.NeedsChecksum && !isUnsummed && !IsSumGood(ip, datagram[..udp.Length])) return false;
        ReadOnlySpan<byte> payload = datagram[UdpHeader.Bytes..udp.Length];
        bool isForServer = ip.Destination == Ipv4Address.Broadcast || ip.Destination == _options.HostAddress || ip.Destination == _options.Network.Broadcast;
        if (udp.DestinationPort == DhcpServer.ServerPort && isForServer)
        {
            _dhcp.Input(payload);
            return true;
        }

        if (!_options.IsGuest(ip.Source)) return false;
        if (_forwards.TryAnswer(ip, udp, payload)) return true;
        _udp.Input(queue, ip, udp, packet, header.Segmentation == NetSegmentation.VIRTIO_NET_HDR_GSO_NONE ? 0 : header.SegmentSize);
        return true;
    }

    private static bool IsSumGood(in IpHeader ip, ReadOnlySpan<byte> payload)
    {
        InternetChecksum sum = default;
        sum.AddPseudoHeader(ip.Source, ip.Destination, ip.Protocol, payload.Length);
        sum.Add(payload);
        return sum.Value == 0;
    }

    /// <summary>A copy of an IP packet: what is judged and then used must not change in between.</summary>
    private Span<byte> Linear(ReadOnlySpan<IoVec> frame, int packetBytes)
    {
        IoCursor cursor = new(frame);
        cursor.Skip(GuestLink.FrameHeaderBytes);
        Span<byte> packet = _scratch.AsSpan(0, packetBytes);
        cursor.Drain(packet);
        return packet;
    }
}
