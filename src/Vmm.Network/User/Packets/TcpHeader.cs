using System.Buffers.Binary;

namespace Vmm.Network.User.Packets;

/// <summary>The TCP header with the options that matter here (RFC 9293 §3.1, RFC 7323 §2), read once.</summary>
internal readonly record struct TcpHeader(
    ushort SourcePort, ushort DestinationPort, uint Sequence, uint Acknowledgment, TcpFlags Flags, ushort Window, int HeaderBytes,
    ushort SegmentSize = 0, int WindowShift = TcpHeader.NoWindowShift)
{
    public const int LeastBytes = 20;
    public const int MostBytes = 60;

    /// <summary>Where the checksum stands.</summary>
    public const int ChecksumAt = 16;

    /// <summary>The peer does not scale windows.</summary>
    public const int NoWindowShift = -1;

    private const int MostWindowShift = 14;
    private const int DestinationAt = 2, SequenceAt = 4, AcknowledgmentAt = 8, OffsetAt = 12, FlagsAt = 13, WindowAt = 14, UrgentAt = 18;
    private const int LengthUnit = 4;
    private const byte EndOfOptions = 0, NoOperation = 1, SegmentSizeOption = 2, WindowShiftOption = 3;
    private const byte SegmentSizeBytes = 4, WindowShiftBytes = 3;

    public bool Has(TcpFlags flag) => (Flags & flag) != 0;

    /// <param name="segment">The IP payload, or its beginning with the whole header.</param>
    /// <param name="available">Bytes of the segment that there are.</param>
    /// <param name="header">The header.</param>
    public static bool TryRead(ReadOnlySpan<byte> segment, int available, out TcpHeader header)
    {
        header = default;
        if (segment.Length < LeastBytes) return false;
        int headerBytes = (segment[OffsetAt] >> 4) * LengthUnit;
        if (headerBytes < LeastBytes || headerBytes > segment.Length || headerBytes > available) return false;
        header = new(
            BinaryPrimitives.ReadUInt16BigEndian(segment),
            BinaryPrimitives.ReadUInt16BigEndian(segment[DestinationAt..]),
            BinaryPrimitives.ReadUInt32BigEndian(segment[SequenceAt..]),
            BinaryPrimitives.ReadUInt32BigEndian(segment[AcknowledgmentAt..]),
            (TcpFlags)segment[FlagsAt],
            BinaryPrimitives.ReadUInt16BigEndian(segment[WindowAt..]),
            headerBytes);
        if (header.Has(TcpFlags.SYN)) header = ReadOptions(header, segment[LeastBytes..headerBytes]);
        return true;
    }

    /// <summary>Bytes of the header as <see cref="Write"/> writes it.</summary>
    public int WrittenBytes => LeastBytes + (SegmentSize != 0 ? SegmentSizeBytes : 0) + (WindowShift != NoWindowShift ? WindowShiftBytes + 1 : 0);

    /// <summary>Writes the header with a checksum of 0.</summary>
    public void Write(Span<byte> to)
    {
        BinaryPrimitives.WriteUInt16BigEndian(to, SourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(to[DestinationAt..], DestinationPort);
        BinaryPrimitives.WriteUInt32BigEndian(to[SequenceAt..], Sequence);
        BinaryPrimitives.WriteUInt32BigEndian(to[AcknowledgmentAt..], Acknowledgment);
        to[OffsetAt] = (byte)(WrittenBytes / LengthUnit << 4);
        to[FlagsAt] = (byte)Flags;
        BinaryPrimitives.WriteUInt16BigEndian(to[WindowAt..], Window);
        BinaryPrimitives.WriteUInt16BigEndian(to[ChecksumAt..], 0);
        BinaryPrimitives.WriteUInt16BigEndian(to[UrgentAt..], 0);
        Span<byte> options = to[LeastBytes..];
        if (SegmentSize != 0)
        {
            (options[0], options[1]) = (SegmentSizeOption, SegmentSizeBytes);
            BinaryPrimitives.WriteUInt16BigEndian(options[2..], SegmentSize);
            options = options[SegmentSizeBytes..];
        }

        if (WindowShift == NoWindowShift) return;
        (options[0], options[1], options[2], options[3]) = (NoOperation, WindowShiftOption, WindowShiftBytes, (byte)WindowShift);
    }

    private static TcpHeader ReadOptions(TcpHeader header, ReadOnlySpan<byte> options)
    {
        while (!options.IsEmpty && options[0] != EndOfOptions)
        {
            if (options[0] == NoOperation)
            {
                options = options[1..];
                continue;
            }

            if (options.Length < 2 || options[1] < 2 || options[1] > options.Length) break;
            if (options[0] == SegmentSizeOption && options[1] == SegmentSizeBytes)
                header = header with { SegmentSize = BinaryPrimitives.ReadUInt16BigEndian(options[2..]) };
            if (options[0] == WindowShiftOption && options[1] == WindowShiftBytes)
                header = header with { WindowShift = Math.Min(options[2], (byte)MostWindowShift) };
            options = options[options[1]..];
        }

        return header;
    }
}
