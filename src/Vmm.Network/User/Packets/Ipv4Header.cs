using System.Buffers.Binary;

namespace Vmm.Network.User.Packets;

/// <summary>The IPv4 header (RFC 791 §3.1), read once.</summary>
internal readonly record struct Ipv4Header(
    Ipv4Address Source, Ipv4Address Destination, byte Protocol, byte TimeToLive, int HeaderBytes, int TotalBytes, ushort Id, int FragmentOffset,
    bool HasMoreFragments, bool DontFragment)
{
    public const int LeastBytes = 20;
    public const int MostBytes = 60;
    public const byte IPPROTO_ICMP = 1;
    public const byte IPPROTO_TCP = 6;
    public const byte IPPROTO_UDP = 17;

    private const int Version4 = 4;
    private const int LengthAt = 2, IdAt = 4, FragmentAt = 6, TimeToLiveAt = 8, ProtocolAt = 9, ChecksumAt = 10, SourceAt = 12, DestinationAt = 16;
    private const int LengthMask = 0xf;
    private const int LengthUnit = 4;
    private const int FragmentUnit = 8;
    private const ushort DF = 0x4000;
    private const ushort MF = 0x2000;
    private const ushort OffsetMask = 0x1fff;

    public bool IsFragment => HasMoreFragments || FragmentOffset != 0;

    /// <summary>Bytes behind the header.</summary>
    public int PayloadBytes => TotalBytes - HeaderBytes;

    /// <param name="packet">The packet, or its beginning with the whole header.</param>
    /// <param name="available">Bytes of the packet that there are.</param>
    /// <param name="isSegmented">It is for cutting: a length of 0 stands for one that does not fit the field.</param>
    /// <param name="header">The header.</param>
    public static bool TryRead(ReadOnlySpan<byte> packet, int available, bool isSegmented, out Ipv4Header header)
    {
        header = default;
        if (packet.Length < LeastBytes || packet[0] >> 4 != Version4) return false;
        int headerBytes = (packet[0] & LengthMask) * LengthUnit;
        if (headerBytes < LeastBytes || headerBytes > packet.Length || InternetChecksum.Of(packet[..headerBytes]) != 0) return false;
        int total = BinaryPrimitives.ReadUInt16BigEndian(packet[LengthAt..]);
        if (total == 0 && isSegmented) total = available;
        if (total < headerBytes || total > available) return false;
        ushort fragment = BinaryPrimitives.ReadUInt16BigEndian(packet[FragmentAt..]);
        header = new(
            new(BinaryPrimitives.ReadUInt32BigEndian(packet[SourceAt..])),
            new(BinaryPrimitives.ReadUInt32BigEndian(packet[DestinationAt..])),
            packet[ProtocolAt],
            packet[TimeToLiveAt],
            headerBytes,
            total,
            BinaryPrimitives.ReadUInt16BigEndian(packet[IdAt..]),
            (fragment & OffsetMask) * FragmentUnit,
            (fragment & MF) != 0,
            (fragment & DF) != 0);
        return true;
    }

    /// <summary>Writes a header without options, with its checksum.</summary>
    public void Write(Span<byte> to)
    {
        to[0] = (Version4 << 4) | (LeastBytes / LengthUnit);
        to[1] = 0;
        BinaryPrimitives.WriteUInt16BigEndian(to[LengthAt..], (ushort)TotalBytes);
        BinaryPrimitives.WriteUInt16BigEndian(to[IdAt..], Id);
        int fragment = (FragmentOffset / FragmentUnit) | (HasMoreFragments ? MF : 0) | (DontFragment ? DF : 0);
        BinaryPrimitives.WriteUInt16BigEndian(to[FragmentAt..], (ushort)fragment);
        to[TimeToLiveAt] = TimeToLive;
        to[ProtocolAt] = Protocol;
        BinaryPrimitives.WriteUInt16BigEndian(to[ChecksumAt..], 0);
        BinaryPrimitives.WriteUInt32BigEndian(to[SourceAt..], Source.Value);
        BinaryPrimitives.WriteUInt32BigEndian(to[DestinationAt..], Destination.Value);
        BinaryPrimitives.WriteUInt16BigEndian(to[ChecksumAt..], InternetChecksum.Of(to[..LeastBytes]));
    }
}
