using Vmm.Core.Backends;
using Vmm.Network.User.Packets;

namespace Vmm.Network.Tests.User;

/// <summary>A frame that the guest got, taken apart; what is to be right in every frame is asserted.</summary>
internal sealed class GotFrame
{
    private const int IpAt = INetBackend.HeaderBytes + Ethernet.HeaderBytes;

    public GotFrame(byte[] bytes)
    {
        Bytes = bytes;
        Header = NetHeader.Read(bytes);
        Type = Ethernet.Type(bytes.AsSpan(INetBackend.HeaderBytes));
        if (Type == Ethernet.ETHERTYPE_ARP)
        {
            Assert.True(ArpPacket.TryRead(bytes.AsSpan(IpAt), out ArpPacket arp));
            Arp = arp;
            return;
        }

        bool isSegmented = Header.Segmentation != NetSegmentation.VIRTIO_NET_HDR_GSO_NONE;
        IpHeader ip = default;
        Assert.True(Type switch
        {
            Ethernet.ETHERTYPE_IP => Ipv4Header.TryRead(bytes.AsSpan(IpAt), bytes.Length - IpAt, isSegmented, out ip),
            Ethernet.ETHERTYPE_IPV6 => Ipv6Header.TryRead(bytes.AsSpan(IpAt), bytes.Length - IpAt, isSegmented, out ip),
            _ => false,
        });
        Assert.Equal(bytes.Length - IpAt, ip.TotalBytes);
        Ip = ip;
        if (ip.IsFragment) return;
        ReadOnlySpan<byte> transport = bytes.AsSpan(IpAt + ip.HeaderBytes);
        InternetChecksum sum = default;
        sum.AddPseudoHeader(ip.Source, ip.Destination, ip.Protocol, transport.Length);
        if (ip.Protocol == IpHeader.IPPROTO_TCP)
        {
            Assert.True(TcpHeader.TryRead(transport, transport.Length, out TcpHeader tcp));
            Tcp = tcp;
            Payload = transport[tcp.HeaderBytes..].ToArray();
        }
        else if (ip.Protocol == IpHeader.IPPROTO_UDP)
        {
            Assert.True(UdpHeader.TryRead(transport, out UdpHeader udp));
            Udp = udp;
            Payload = transport[UdpHeader.Bytes..].ToArray();
        }
        else
        {
            if (ip.IsV4) sum = default;
            Payload = transport.ToArray();
        }

        if (Header.NeedsChecksum) return;
        sum.Add(transport);
        Assert.Equal(0, sum.Value);
    }

    public byte[] Bytes { get; }

    public NetHeader Header { get; }

    public ushort Type { get; }

    public ArpPacket Arp { get; }

    public IpHeader Ip { get; }

    public TcpHeader Tcp { get; }

    public UdpHeader Udp { get; }

    public byte[] Payload { get; } = [];

    public MacAddress To => Ethernet.Destination(Bytes.AsSpan(INetBackend.HeaderBytes));

    public MacAddress From => Ethernet.Source(Bytes.AsSpan(INetBackend.HeaderBytes));
}
