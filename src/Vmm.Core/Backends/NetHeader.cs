using System.Buffers.Binary;

namespace Vmm.Core.Backends;

/// <summary>The header before a frame: struct virtio_net_hdr_v1 (virtio 1.2 §5.1.6), read once into a value of the host's own and then judged.</summary>
/// <param name="Flags">What is to be done.</param>
/// <param name="Segmentation">How to cut, <see cref="NetSegmentation.VIRTIO_NET_HDR_GSO_ECN"/> included.</param>
/// <param name="HeaderLength">Bytes of Ethernet, IP and TCP or UDP headers: only a hint.</param>
/// <param name="SegmentSize">Payload of each piece.</param>
/// <param name="ChecksumStart">From where on the checksum sums.</param>
/// <param name="ChecksumOffset">Where it goes, counted from there.</param>
/// <param name="BufferCount">Buffers that the frame takes, from the device to the driver.</param>
public readonly record struct NetHeader(NetHeaderFlags Flags, NetSegmentation Segmentation, ushort HeaderLength, ushort SegmentSize,
    ushort ChecksumStart, ushort ChecksumOffset, ushort BufferCount = 0)
{
    /// <summary>Bytes of an Ethernet header: the shortest frame.</summary>
    public const int EthernetBytes = 14;

    private const int ChecksumBytes = 2;
    private const int SegmentationAt = 1, HeaderLengthAt = 2, SegmentSizeAt = 4, ChecksumStartAt = 6, ChecksumOffsetAt = 8;

    /// <summary>Where <see cref="BufferCount"/> stands.</summary>
    public const int BufferCountAt = 10;

    /// <summary>The kind of segment, without the ECN bit.</summary>
    public NetSegmentation SegmentKind => Segmentation & ~NetSegmentation.VIRTIO_NET_HDR_GSO_ECN;

    /// <summary>Whether the checksum is still to be filled in.</summary>
    public bool NeedsChecksum => (Flags & NetHeaderFlags.VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0;

    /// <summary>Reads <see cref="INetBackend.HeaderBytes"/> bytes.</summary>
    public static NetHeader Read(ReadOnlySpan<byte> from) => new(
        (NetHeaderFlags)from[0],
        (NetSegmentation)from[SegmentationAt],
        BinaryPrimitives.ReadUInt16LittleEndian(from[HeaderLengthAt..]),
        BinaryPrimitives.ReadUInt16LittleEndian(from[SegmentSizeAt..]),
        BinaryPrimitives.ReadUInt16LittleEndian(from[ChecksumStartAt..]),
        BinaryPrimitives.ReadUInt16LittleEndian(from[ChecksumOffsetAt..]),
        BinaryPrimitives.ReadUInt16LittleEndian(from[BufferCountAt..]));

    /// <summary>Writes <see cref="INetBackend.HeaderBytes"/> bytes.</summary>
    public void Write(Span<byte> to)
    {
        to[0] = (byte)Flags;
        to[SegmentationAt] = (byte)Segmentation;
        BinaryPrimitives.WriteUInt16LittleEndian(to[HeaderLengthAt..], HeaderLength);
        BinaryPrimitives.WriteUInt16LittleEndian(to[SegmentSizeAt..], SegmentSize);
        BinaryPrimitives.WriteUInt16LittleEndian(to[ChecksumStartAt..], ChecksumStart);
        BinaryPrimitives.WriteUInt16LittleEndian(to[ChecksumOffsetAt..], ChecksumOffset);
        BinaryPrimitives.WriteUInt16LittleEndian(to[BufferCountAt..], BufferCount);
    }

    /// <summary>
    /// Judges a sender's header: every offset lies within the frame, and nothing is left undone but what was agreed (§5.1.6.2).
    /// </summary>
    /// <param name="frameBytes">Bytes of the frame behind the header.</param>
    /// <param name="agreed">What may be left undone.</param>
    /// <param name="clean">The header with unknown flags off and the hint within the frame.</param>
    public bool TryCheck(ulong frameBytes, NetOffloads agreed, out NetHeader clean)
    {
        clean = default;
        if (frameBytes is < EthernetBytes or > INetBackend.MostFrameBytes - INetBackend.HeaderBytes || !IsSegmentationGood(agreed)) return false;
        if (!NeedsChecksum) return true;
        bool isGood = (agreed & NetOffloads.Checksum) != 0 && ChecksumStart >= EthernetBytes
            && (ulong)ChecksumStart + ChecksumOffset + ChecksumBytes <= frameBytes;
        clean = this with
        {
            Flags = NetHeaderFlags.VIRTIO_NET_HDR_F_NEEDS_CSUM,
            HeaderLength = (ushort)Math.Min(HeaderLength, frameBytes),
            SegmentSize = Segmentation == NetSegmentation.VIRTIO_NET_HDR_GSO_NONE ? (ushort)0 : SegmentSize,
            BufferCount = 0,
        };
        return isGood;
    }

    private bool IsSegmentationGood(NetOffloads agreed)
    {
        if (Segmentation == NetSegmentation.VIRTIO_NET_HDR_GSO_NONE) return true;
        bool hasEcn = Segmentation != SegmentKind;
        NetOffloads needed = SegmentKind switch
        {
            NetSegmentation.VIRTIO_NET_HDR_GSO_TCPV4 => NetOffloads.Tso4 | (hasEcn ? NetOffloads.TsoEcn : NetOffloads.None),
            NetSegmentation.VIRTIO_NET_HDR_GSO_TCPV6 => NetOffloads.Tso6 | (hasEcn ? NetOffloads.TsoEcn : NetOffloads.None),
            NetSegmentation.VIRTIO_NET_HDR_GSO_UDP_L4 when !hasEcn => NetOffloads.Uso,
            _ => NetOffloads.None,
        };
        // Cutting implies summing (§5.1.6.2.1).
        return needed != NetOffloads.None && (needed & ~agreed) == 0 && SegmentSize != 0 && NeedsChecksum;
    }
}
