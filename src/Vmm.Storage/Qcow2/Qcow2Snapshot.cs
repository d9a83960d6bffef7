using System.Buffers.Binary;
using System.Text;

namespace Vmm.Storage.Qcow2;

/// <summary>An entry of the snapshot table (qcow2 specification, "Snapshots").</summary>
internal sealed class Qcow2Snapshot
{
    private const int FixedBytes = 40;
    private const int MostExtraBytes = 1024;
    private const ulong MostTableBytes = 64UL << 20;

    public required ulong L1Offset { get; init; }

    public required uint L1Entries { get; init; }

    public required string Id { get; init; }

    public required string Name { get; init; }

    public uint Seconds { get; init; }

    public uint Nanoseconds { get; init; }

    public ulong VmClockNs { get; init; }

    public uint VmStateBytes { get; init; }

    /// <summary>Whatever else the entry holds: state size, disk size, instruction count.</summary>
    public byte[] Extra { get; init; } = [];

    /// <summary>The disk's size then; null in old images, where it cannot have changed.</summary>
    public ulong? DiskBytes => Extra.Length >= 16 ? BinaryPrimitives.ReadUInt64BigEndian(Extra.AsSpan(8)) : null;

    /// <summary>Bytes of saved machine state.</summary>
    public ulong StateBytes => Extra.Length >= 8 ? BinaryPrimitives.ReadUInt64BigEndian(Extra) : VmStateBytes;

    /// <summary>Reads the table.</summary>
    public static List<Qcow2Snapshot> ReadTable(IImageFile file, Qcow2Header header)
    {
        List<Qcow2Snapshot> snapshots = [];
        ulong at = header.SnapshotsOffset;
        for (uint i = 0; i < header.Snapshots; i++)
        {
            byte[] head = new byte[FixedBytes];
            if (at + FixedBytes > file.Length) throw ImageException.Corrupt($"{file.Name}: the snapshot table is cut off");
            file.Read(at, head);
            int idBytes = BinaryPrimitives.ReadUInt16BigEndian(head.AsSpan(12));
            int nameBytes = BinaryPrimitives.ReadUInt16BigEndian(head.AsSpan(14));
            uint extraBytes = BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(36));
            if (extraBytes > MostExtraBytes) throw ImageException.Corrupt($"{file.Name}: snapshot {i} has {extraBytes} bytes of extra data");
            byte[] tail = new byte[extraBytes + idBytes + nameBytes];
            file.Read(at + FixedBytes, tail);
            Qcow2Snapshot snapshot = new()
            {
                L1Offset = BinaryPrimitives.ReadUInt64BigEndian(head),
                L1Entries = BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(8)),
                Seconds = BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(16)),
                Nanoseconds = BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(20)),
                VmClockNs = BinaryPrimitives.ReadUInt64BigEndian(head.AsSpan(24)),
                VmStateBytes = BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(32)),
                Extra = tail[..(int)extraBytes],
                Id = Encoding.UTF8.GetString(tail.AsSpan((int)extraBytes, idBytes)),
                Name = Encoding.UTF8.GetString(tail.AsSpan((int)extraBytes + idBytes, nameBytes)),
            };
            ulong l1Bytes = (ulong)snapshot.L1Entries * 8;
            if (l1Bytes > Qcow2Header.MostL1Bytes || snapshot.L1Offset > long.MaxValue - l1Bytes || (snapshot.L1Offset & ((ulong)header.ClusterBytes - 1)) != 0)
                throw ImageException.Corrupt($"{file.Name}: snapshot {i} has an impossible L1 table");
            if (snapshot.DiskBytes is { } disk && (disk > long.MaxValue || header.L1EntriesFor(disk) > snapshot.L1Entries))
                throw ImageException.Corrupt($"{file.Name}: the L1 table of snapshot {i} is too small for its disk");
            snapshots.Add(snapshot);
            at += Padded(FixedBytes + tail.Length);
            if (at - header.SnapshotsOffset > MostTableBytes) throw ImageException.Corrupt($"{file.Name}: the snapshot table has more than {MostTableBytes >> 20} MiB");
        }

        return snapshots;
    }

    /// <summary>The bytes that the table takes.</summary>
    public static ulong TableBytes(IEnumerable<Qcow2Snapshot> snapshots)
    {
        ulong bytes = 0;
        foreach (Qcow2Snapshot snapshot in snapshots) bytes += Padded(snapshot.ToBytes().Length);
        return bytes;
    }

    /// <summary>The table's bytes.</summary>
    public static byte[] WriteTable(IEnumerable<Qcow2Snapshot> snapshots)
    {
        MemoryStream stream = new();
        foreach (Qcow2Snapshot snapshot in snapshots)
        {
            stream.Write(snapshot.ToBytes());
            stream.SetLength((long)Padded((int)stream.Length));
            stream.Position = stream.Length;
        }

        return stream.ToArray();
    }

    /// <summary>The extra data of a new entry.</summary>
    public static byte[] ExtraFor(ulong diskBytes)
    {
        byte[] extra = new byte[16];
        BinaryPrimitives.WriteUInt64BigEndian(extra.AsSpan(8), diskBytes);
        return extra;
    }

    private static ulong Padded(int bytes) => ((ulong)bytes + 7) & ~7UL;

    private byte[] ToBytes()
    {
        byte[] id = Encoding.UTF8.GetBytes(Id);
        byte[] name = Encoding.UTF8.GetBytes(Name);
        byte[] bytes = new byte[FixedBytes + Extra.Length + id.Length + name.Length];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, L1Offset);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(8), L1Entries);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(12), (ushort)id.Length);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(14), (ushort)name.Length);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(16), Seconds);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(20), Nanoseconds);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(24), VmClockNs);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(32), VmStateBytes);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(36), (uint)Extra.Length);
        Extra.CopyTo(bytes, FixedBytes);
        id.CopyTo(bytes, FixedBytes + Extra.Length);
        name.CopyTo(bytes, FixedBytes + Extra.Length + id.Length);
        return bytes;
    }
}
