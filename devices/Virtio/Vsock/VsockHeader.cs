using System.Buffers.Binary;
using Vmm.Core.Backends;

namespace Vmm.Devices.Virtio.Vsock;

/// <summary>The header of every packet, <c>struct virtio_vsock_hdr</c> (virtio 1.2 §5.10.6).</summary>
internal readonly record struct VsockHeader
{
    public const int SizeBytes = 44;

    public const ushort VIRTIO_VSOCK_TYPE_STREAM = 1;
    public const ushort VIRTIO_VSOCK_TYPE_SEQPACKET = 2;

    /// <summary>Flag of data: a message ends with them (§5.10.6.4).</summary>
    public const uint VIRTIO_VSOCK_SEQ_EOM = 1 << 0;

    public ulong SourceCid { get; init; }
    public ulong DestinationCid { get; init; }
    public uint SourcePort { get; init; }
    public uint DestinationPort { get; init; }
    public uint Length { get; init; }
    public ushort Type { get; init; }
    public VsockOperation Operation { get; init; }
    public uint Flags { get; init; }

    /// <summary>The sender's buffer for this connection.</summary>
    public uint BufferBytes { get; init; }

    /// <summary>Bytes that have left the sender's buffer since the beginning; wraps.</summary>
    public uint Forwarded { get; init; }

    /// <summary>How a kind of connection is named in a packet.</summary>
    public static ushort TypeOf(VsockKind kind) => kind == VsockKind.Seqpacket ? VIRTIO_VSOCK_TYPE_SEQPACKET : VIRTIO_VSOCK_TYPE_STREAM;

    public static VsockHeader Read(ReadOnlySpan<byte> from) => new()
    {
        SourceCid = BinaryPrimitives.ReadUInt64LittleEndian(from),
        DestinationCid = BinaryPrimitives.ReadUInt64LittleEndian(from[8..]),
        SourcePort = BinaryPrimitives.ReadUInt32LittleEndian(from[16..]),
        DestinationPort = BinaryPrimitives.ReadUInt32LittleEndian(from[20..]),
        Length = BinaryPrimitives.ReadUInt32LittleEndian(from[24..]),
        Type = BinaryPrimitives.ReadUInt16LittleEndian(from[28..]),
        Operation = (VsockOperation)BinaryPrimitives.ReadUInt16LittleEndian(from[30..]),
        Flags = BinaryPrimitives.ReadUInt32LittleEndian(from[32..]),
        BufferBytes = BinaryPrimitives.ReadUInt32LittleEndian(from[36..]),
        Forwarded = BinaryPrimitives.ReadUInt32LittleEndian(from[40..]),
    };

    public void Write(Span<byte> to)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(to, SourceCid);
        BinaryPrimitives.WriteUInt64LittleEndian(to[8..], DestinationCid);
        BinaryPrimitives.WriteUInt32LittleEndian(to[16..], SourcePort);
        BinaryPrimitives.WriteUInt32LittleEndian(to[20..], DestinationPort);
        BinaryPrimitives.WriteUInt32LittleEndian(to[24..], Length);
        BinaryPrimitives.WriteUInt16LittleEndian(to[28..], Type);
        BinaryPrimitives.WriteUInt16LittleEndian(to[30..], (ushort)Operation);
        BinaryPrimitives.WriteUInt32LittleEndian(to[32..], Flags);
        BinaryPrimitives.WriteUInt32LittleEndian(to[36..], BufferBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(to[40..], Forwarded);
    }
}
