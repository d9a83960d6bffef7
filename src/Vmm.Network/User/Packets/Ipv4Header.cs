using System.Buffers.Binary;

namespace Vmm.Network.User.Packets;

/// <summary>The IPv4 header as it stands in a packet (RFC 791 §3.1).</summary>
internal static class Ipv4Header
{
    public const int LeastBytes = 20;

    private const int Version = 4;
    private const int LengthAt = 2, IdAt = 4, FragmentAt = 6, TimeToLiveAt = 8, ProtocolAt = 9, ChecksumAt = 10, SourceAt = 12, DestinationAt = 16;
    private const int LengthMask = 0xf;
    private const int LengthUnit = 4;
    private const ushort DF = 0x4000;
    private const ushort MF = 0x2000;
    private const ushort OffsetMask = 0x1fff;

    /// <param name="packet">The packet, or its beginning with the whole header.</param>
    /// <param name="available">Bytes of the packet that there are.</param>
    /// <param name="isSegmented">It is for cutting: a length of 0 stands for one that does not fit the field.</param>
    /// <param name="header">The header.</param>
    public static bool TryRead(ReadOnlySpan<byte> packet, int available, bool isSegmented, out IpHeader header)
    {
        header = default;
        if (packet.Length < LeastBytes || packet[0] >> 4 != Version) return false;
        int headerBytes = (packet[0] & LengthMask) * LengthUnit;
        if (headerBytes < LeastBytes || headerBytes > packet.Length || InternetChecksum.Of(packet[..headerBytes]) != 0) return false;
        int total = BinaryPrimitives.ReadUInt16BigEndian(packet[LengthAt..]);
        if (total == 0 && isSegmented) total = available;
        if (total < headerBytes || total > available) return false;
        ushort fragment = BinaryPrimitives.ReadUInt16BigEndian(packet[FragmentAt..]);
        header = new(
            IpAddress.FromV4(BinaryPrimitives.ReadUInt32BigEndian(packet[SourceAt..])),
            IpAddress.FromV4(BinaryPrimitives.ReadUInt32BigEndian(packet[DestinationAt..])),
            packet[ProtocolAt],
            packet[TimeToLiveAt],
            headerBytes,
            total,
            BinaryPrimitives.ReadUInt16BigEndian(packet[IdAt..]),
            (fragment & OffsetMask) * IpHeader.FragmentUnit,
            (fragment & MF) != 0,
            (fragment & DF) != 0);
        return true;
    }

    /// <summary>Writes a header without options, with its checksum.</summary>
    public static void Write(in IpHeader header, Span<byte> to)
    {
        to[0] = (Version << 4) | (LeastBytes / LengthUnit);
        to[1] = 0;
        BinaryPrimitives.WriteUInt16BigEndian(to[LengthAt..], (ushort)header.TotalBytes);
        BinaryPrimitives.WriteUInt16BigEndian(to[IdAt..], (ushort)header.Id);
        int fragment = (header.FragmentOffset / IpHeader.FragmentUnit) | (header.HasMoreFragments ? MF : 0) | (header.DontFragment ? DF : 0);
        BinaryPrimitives.WriteUInt16BigEndian(to[FragmentAt..], (ushort)fragment);
        to[TimeToLiveAt] = header.Hops;
        to[ProtocolAt] = header.Protocol;
        BinaryPrimitives.WriteUInt16BigEndian(to[ChecksumAt..], 0);
        BinaryPrimitives.WriteUInt32BigEndian(to[SourceAt..], header.Source.V4.Value);
        BinaryPrimitives.WriteUInt32BigEndian(to[DestinationAt..], header.Destination.V4.Value);
        BinaryPrimitives.WriteUInt16BigEndian(to[ChecksumAt..], InternetChecksum.Of(to[..LeastBytes]));
    }
}
