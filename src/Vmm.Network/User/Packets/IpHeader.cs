namespace Vmm.Network.User.Packets;

/// <summary>The header of an IP packet of either version (RFC 791 §3.1, RFC 8200 §3), read once.</summary>
/// <param name="Source">Whose it is.</param>
/// <param name="Destination">Whom it is for.</param>
/// <param name="Protocol">What it carries.</param>
/// <param name="Hops">Time to live, hop limit.</param>
/// <param name="HeaderBytes">Options and extension headers included.</param>
/// <param name="TotalBytes">Bytes of the packet.</param>
/// <param name="Id">What the fragments of a packet have in common.</param>
/// <param name="FragmentOffset">Where this fragment belongs, in bytes.</param>
/// <param name="HasMoreFragments">There are fragments behind this one.</param>
/// <param name="DontFragment">Of IPv4: nobody may cut it.</param>
internal readonly record struct IpHeader(
    IpAddress Source, IpAddress Destination, byte Protocol, byte Hops, int HeaderBytes, int TotalBytes, uint Id = 0, int FragmentOffset = 0,
    bool HasMoreFragments = false, bool DontFragment = false)
{
    public const byte IPPROTO_ICMP = 1;
    public const byte IPPROTO_TCP = 6;
    public const byte IPPROTO_UDP = 17;
    public const byte IPPROTO_ICMPV6 = 58;

    /// <summary>The longest header that is read.</summary>
    public const int MostBytes = Ipv6Header.MostBytes;

    /// <summary>The longest header that is written, without that of fragments.</summary>
    public const int MostPlainBytes = Ipv6Header.LeastBytes;

    /// <summary>Offsets of fragments count in these.</summary>
    public const int FragmentUnit = 8;

    public bool IsV4 => Source.IsV4;

    public bool IsFragment => HasMoreFragments || FragmentOffset != 0;

    /// <summary>Bytes behind the header.</summary>
    public int PayloadBytes => TotalBytes - HeaderBytes;

    /// <summary>Bytes of a header without options, of the version that an address has.</summary>
    public static int PlainBytes(IpAddress address) => address.IsV4 ? Ipv4Header.LeastBytes : Ipv6Header.LeastBytes;

    /// <summary>The protocol of control messages, of the version that an address has.</summary>
    public static byte ControlProtocol(IpAddress address) => address.IsV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;

    /// <summary>Writes a header without options, but that of a fragment of IPv6.</summary>
    public void Write(Span<byte> to)
    {
        if (IsV4) Ipv4Header.Write(this, to);
        else Ipv6Header.Write(this, to);
    }
}
