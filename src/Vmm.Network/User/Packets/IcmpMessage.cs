namespace Vmm.Network.User.Packets;

/// <summary>ICMP messages (RFC 792).</summary>
internal static class IcmpMessage
{
    public const int HeaderBytes = 8;
    public const int ChecksumAt = 2;
    public const int IdAt = 4;
    public const int SequenceAt = 6;

    /// <summary>Where "fragmentation needed" tells the MTU (RFC 1191 §4).</summary>
    public const int MtuAt = 6;

    public const byte ECHO_REPLY = 0;
    public const byte DEST_UNREACH = 3;
    public const byte ECHO = 8;
    public const byte TIME_EXCEEDED = 11;

    public const byte NET_UNREACH = 0;
    public const byte HOST_UNREACH = 1;
    public const byte PORT_UNREACH = 3;
    public const byte FRAG_NEEDED = 4;
    public const byte PKT_FILTERED = 13;

    /// <summary>Code of <see cref="TIME_EXCEEDED"/>: the time to live ended.</summary>
    public const byte EXC_TTL = 0;
}
