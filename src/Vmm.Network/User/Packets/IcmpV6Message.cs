namespace Vmm.Network.User.Packets;

/// <summary>ICMPv6 messages (RFC 4443) and those of neighbour discovery (RFC 4861). The header is laid out as that of ICMP.</summary>
internal static class IcmpV6Message
{
    public const byte ICMP6_DST_UNREACH = 1;
    public const byte ICMP6_PACKET_TOO_BIG = 2;
    public const byte ICMP6_TIME_EXCEEDED = 3;
    public const byte ICMP6_ECHO_REQUEST = 128;
    public const byte ICMP6_ECHO_REPLY = 129;
    public const byte ND_ROUTER_SOLICIT = 133;
    public const byte ND_ROUTER_ADVERT = 134;
    public const byte ND_NEIGHBOR_SOLICIT = 135;
    public const byte ND_NEIGHBOR_ADVERT = 136;

    /// <summary>The first that is no error.</summary>
    public const byte ICMP6_INFOMSG_MASK = 0x80;

    public const byte ICMP6_DST_UNREACH_NOROUTE = 0;
    public const byte ICMP6_DST_UNREACH_ADMIN = 1;
    public const byte ICMP6_DST_UNREACH_ADDR = 3;
    public const byte ICMP6_DST_UNREACH_NOPORT = 4;

    /// <summary>Where "packet too big" tells the MTU, in four bytes.</summary>
    public const int MtuAt = 4;
}
