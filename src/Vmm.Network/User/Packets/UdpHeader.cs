using System.Buffers.Binary;

namespace Vmm.Network.User.Packets;

/// <summary>The UDP header (RFC 768).</summary>
internal readonly record struct UdpHeader(ushort SourcePort, ushort DestinationPort, int Length, ushort Checksum)
{
    public const int Bytes = 8;

    /// <summary>Where the checksum stands.</summary>
    public const int ChecksumAt = 6;

    private const int DestinationAt = 2, LengthAt = 4;

    /// <summary>Reads the header of a datagram whose IP payload is given whole.</summary>
    public static bool TryRead(ReadOnlySpan<byte> datagram, out UdpHeader header)
    {
        header = default;
        if (datagram.Length < Bytes) return false;
        header = new(
            BinaryPrimitives.ReadUInt16BigEndian(datagram),
            BinaryPrimitives.ReadUInt16BigEndian(datagram[DestinationAt..]),
            BinaryPrimitives.ReadUInt16BigEndian(datagram[LengthAt..]),
            BinaryPrimitives.ReadUInt16BigEndian(datagram[ChecksumAt..]));
        return header.Length >= Bytes && header.Length <= datagram.Length;
    }

    public void Write(Span<byte> to)
    {
        BinaryPrimitives.WriteUInt16BigEndian(to, SourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(to[DestinationAt..], DestinationPort);
        BinaryPrimitives.WriteUInt16BigEndian(to[LengthAt..], (ushort)Length);
        BinaryPrimitives.WriteUInt16BigEndian(to[ChecksumAt..], Checksum);
    }
}
