using System.Buffers.Binary;
using Vmm.Core.Backends;

namespace Vmm.Network.Offload;

/// <summary>
/// Cuts a long frame of TCP or UDP into whole ones with all their checksums, as a network card would (virtio 1.2 §5.1.6.2.1). The frame comes
/// from a guest: what it says of itself is believed only where it is within the frame.
/// </summary>
internal ref struct FrameCutter
{
    private const byte FIN = 0x01, PSH = 0x08, CWR = 0x80;

    private readonly ReadOnlySpan<byte> _frame;
    private readonly FrameLayout _layout;
    private readonly int _headerBytes, _segmentBytes, _end;
    private int _at;
    private ushort _index;

    private FrameCutter(ReadOnlySpan<byte> frame, FrameLayout layout, int headerBytes, int segmentBytes, int end)
    {
        (_layout, _headerBytes, _segmentBytes, _end, _at) = (layout, headerBytes, segmentBytes, end, headerBytes);
        _frame = frame;
    }

    /// <summary>Bytes of all pieces together, at most.</summary>
    public readonly int TotalBytes => Count * _headerBytes + (_end - _headerBytes);

    /// <summary>How many pieces there are.</summary>
    public readonly int Count => Math.Max(1, (_end - _headerBytes + _segmentBytes - 1) / _segmentBytes);

    /// <summary>Looks at a frame to be cut.</summary>
    /// <param name="frame">The frame.</param>
    /// <param name="header">Its header, checked (<see cref="NetHeader.TryCheck"/>), which asks for a cut.</param>
    /// <param name="cutter">Gives the pieces.</param>
    /// <returns>False when the frame is not what the header says.</returns>
    public static bool TryBegin(ReadOnlySpan<byte> frame, in NetHeader header, out FrameCutter cutter)
    {
        cutter = default;
        byte protocol = header.SegmentKind == NetSegmentation.VIRTIO_NET_HDR_GSO_UDP_L4 ? FrameLayout.Udp : FrameLayout.Tcp;
        if (!FrameLayout.TryRead(frame, out FrameLayout layout) || layout.Protocol != protocol) return false;
        if (header.SegmentKind != NetSegmentation.VIRTIO_NET_HDR_GSO_UDP_L4 && layout.IsV6 != (header.SegmentKind == NetSegmentation.VIRTIO_NET_HDR_GSO_TCPV6)) return false;
        int transportBytes = protocol == FrameLayout.Udp ? FrameLayout.UdpBytes : 4 * (frame[layout.Transport + FrameLayout.TcpOffsetAt] >> 4);
        int headerBytes = layout.Transport + transportBytes;
        bool isGood = transportBytes >= FrameLayout.UdpBytes && (protocol == FrameLayout.Udp || transportBytes >= FrameLayout.TcpBytes) && headerBytes <= layout.End && header.SegmentSize != 0;
        if (isGood) cutter = new FrameCutter(frame, layout, headerBytes, header.SegmentSize, layout.End);
        return isGood;
    }

    /// <summary>Writes the next piece.</summary>
    /// <param name="to">Room for the headers and one segment's data.</param>
    /// <param name="count">Bytes of the piece.</param>
    /// <returns>False when there is none left, or no room.</returns>
    public bool TryNext(Span<byte> to, out int count)
    {
        int part = Math.Min(_segmentBytes, _end - _at);
        count = _headerBytes + part;
        if ((part <= 0 && _index != 0) || count > to.Length) return false;
        Span<byte> piece = to[..count];
        _frame[.._headerBytes].CopyTo(piece);
        _frame.Slice(_at, part).CopyTo(piece[_headerBytes..]);
        SetNetwork(piece);
        if (_layout.Protocol == FrameLayout.Tcp) SetTcp(piece, isLast: _at + part == _end);
        else BinaryPrimitives.WriteUInt16BigEndian(piece[(_layout.Transport + FrameLayout.UdpLengthAt)..], (ushort)(count - _layout.Transport));
        SetChecksum(piece);
        _at += part;
        _index++;
        return true;
    }

    private readonly void SetNetwork(Span<byte> piece)
    {
        Span<byte> network = piece[_layout.Network..];
        if (_layout.IsV6)
        {
            BinaryPrimitives.WriteUInt16BigEndian(network[FrameLayout.V6LengthAt..], (ushort)(network.Length - FrameLayout.V6Bytes));
            return;
        }

        BinaryPrimitives.WriteUInt16BigEndian(network[FrameLayout.V4LengthAt..], (ushort)network.Length);
        ushort id = BinaryPrimitives.ReadUInt16BigEndian(network[FrameLayout.V4IdAt..]);
        BinaryPrimitives.WriteUInt16BigEndian(network[FrameLayout.V4IdAt..], (ushort)(id + _index));
        Span<byte> checksum = network.Slice(FrameLayout.V4ChecksumAt, sizeof(ushort));
        checksum.Clear();
        OnesSum.Store(OnesSum.Add(0, network[..(_layout.Transport - _layout.Network)]), checksum);
    }

    private readonly void SetTcp(Span<byte> piece, bool isLast)
    {
        Span<byte> sequence = piece.Slice(_layout.Transport + FrameLayout.TcpSequenceAt, sizeof(uint));
        BinaryPrimitives.WriteUInt32BigEndian(sequence, BinaryPrimitives.ReadUInt32BigEndian(sequence) + (uint)(_at - _headerBytes));
        ref byte flags = ref piece[_layout.Transport + FrameLayout.TcpFlagsAt];
        if (!isLast) flags &= unchecked((byte)~(FIN | PSH));
        // The congestion window is said to be reduced once (RFC 3168 §6.1.2).
        if (_index != 0) flags &= unchecked((byte)~CWR);
    }

    private readonly void SetChecksum(Span<byte> piece)
    {
        Span<byte> segment = piece[_layout.Transport..];
        Span<byte> field = piece.Slice(_layout.Checksum, sizeof(ushort));
        field.Clear();
        ushort sum = (ushort)~OnesSum.Fold(OnesSum.Add(_layout.PseudoHeader(piece, segment.Length), segment));
        BitConverter.TryWriteBytes(field, sum == 0 ? ushort.MaxValue : sum);
    }
}
