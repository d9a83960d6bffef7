using System.Buffers.Binary;
using System.Text;

namespace Vmm.Storage.Qcow2;

/// <summary>The header of a qcow2 file with its extensions (qcow2 specification, "Header"); all numbers are big-endian.</summary>
internal sealed class Qcow2Header
{
    public const uint Magic = 0x514649fb;
    public const int Version2Bytes = 72;
    public const int Version3Bytes = 112;
    public const int MostBackingNameBytes = 1023;

    /// <summary>The largest L1 table, and with it the largest disk.</summary>
    public const ulong MostL1Bytes = 32UL << 20;

    public const ulong MostRefcountTableBytes = 8UL << 20;
    public const uint MostSnapshots = 65536;

    private const uint BackingFormatExtension = 0xe2792aca;
    private const uint FeatureNamesExtension = 0x6803f857;
    private const uint BitmapsExtension = 0x23852875;
    private const int SmallestClusterBits = 9;
    private const int LargestClusterBits = 21;

    public uint Version = 3;
    public int ClusterBits = 16;
    public ulong SizeBytes;
    public uint L1Entries;
    public ulong L1Offset;
    public ulong RefcountTableOffset;
    public uint RefcountTableClusters;
    public uint Snapshots;
    public ulong SnapshotsOffset;
    public Qcow2Incompatible Incompatible;
    public Qcow2Compatible Compatible;
    public ulong AutoClear;
    public int RefcountOrder = 4;
    public Qcow2Compression Compression;
    public string? BackingFile;
    public string? BackingFormat;
    public bool HasBitmaps;

    private List<(uint Type, byte[] Data)> _otherExtensions = [];

    public int ClusterBytes => 1 << ClusterBits;

    public bool HasExtendedL2 => (Incompatible & Qcow2Incompatible.ExtendedL2) != 0;

    /// <summary>Entries of one L2 table.</summary>
    public int L2Entries => ClusterBytes / (HasExtendedL2 ? 16 : 8);

    /// <summary>Bytes of disk behind one L2 table.</summary>
    public ulong L2Coverage => (ulong)L2Entries << ClusterBits;

    /// <summary>Entries of one refcount block.</summary>
    public int RefcountsPerBlock => ClusterBytes * 8 >> RefcountOrder;

    /// <summary>L1 entries that a size needs.</summary>
    public ulong L1EntriesFor(ulong sizeBytes) => sizeBytes / L2Coverage + (sizeBytes % L2Coverage != 0 ? 1UL : 0);

    /// <summary>Reads and judges a header.</summary>
    /// <exception cref="ImageException">It is none, or asks for what is not supported.</exception>
    public static Qcow2Header Read(IImageFile file)
    {
        byte[] fixedPart = new byte[Version3Bytes];
        file.Read(0, fixedPart);
        if (U32(fixedPart, 0) != Magic) throw new ImageException($"{file.Name} is no qcow2 image");
        Qcow2Header header = new()
        {
            Version = U32(fixedPart, 4),
            ClusterBits = (int)Math.Min(U32(fixedPart, 20), int.MaxValue),
            SizeBytes = U64(fixedPart, 24),
            L1Entries = U32(fixedPart, 36),
            L1Offset = U64(fixedPart, 40),
            RefcountTableOffset = U64(fixedPart, 48),
            RefcountTableClusters = U32(fixedPart, 56),
            Snapshots = U32(fixedPart, 60),
            SnapshotsOffset = U64(fixedPart, 64),
        };
        if (header.Version is not (2 or 3)) throw new ImageException($"{file.Name}: qcow2 version {header.Version} is not supported, 2 and 3 are");
        if (header.ClusterBits is < SmallestClusterBits or > LargestClusterBits)
            throw new ImageException($"{file.Name}: a cluster size of 2^{header.ClusterBits} is outside 512 bytes to 2 MiB");
        if (U32(fixedPart, 32) != 0) throw new ImageException($"{file.Name} is encrypted, which is not supported");
        uint headerBytes = Version2Bytes;
        if (header.Version == 3) headerBytes = header.ReadVersion3(file, fixedPart);
        ulong backingOffset = U64(fixedPart, 8);
        uint backingBytes = U32(fixedPart, 16);
        header.ReadExtensions(file, headerBytes, backingOffset);
        if (backingOffset != 0) header.ReadBackingName(file, backingOffset, backingBytes);
        header.Judge(file);
        return header;
    }

    /// <summary>The bytes of the header's cluster.</summary>
    /// <exception cref="ImageException">It does not fit one cluster.</exception>
    public byte[] ToBytes()
    {
        byte[] cluster = new byte[ClusterBytes];
        Put32(cluster, 0, Magic);
        Put32(cluster, 4, Version);
        Put32(cluster, 20, (uint)ClusterBits);
        Put64(cluster, 24, SizeBytes);
        Put32(cluster, 36, L1Entries);
        Put64(cluster, 40, L1Offset);
        Put64(cluster, 48, RefcountTableOffset);
        Put32(cluster, 56, RefcountTableClusters);
        Put32(cluster, 60, Snapshots);
        Put64(cluster, 64, SnapshotsOffset);
        int at = Version2Bytes;
        if (Version == 3)
        {
            Put64(cluster, 72, (ulong)Incompatible);
            Put64(cluster, 80, (ulong)Compatible);
            Put64(cluster, 88, AutoClear);
            Put32(cluster, 96, (uint)RefcountOrder);
            Put32(cluster, 100, Version3Bytes);
            cluster[104] = (byte)Compression;
            at = Version3Bytes;
        }

        if (BackingFormat is not null) at = PutExtension(cluster, at, BackingFormatExtension, Encoding.UTF8.GetBytes(BackingFormat));
        foreach ((uint type, byte[] data) in _otherExtensions) at = PutExtension(cluster, at, type, data);
        at = PutExtension(cluster, at, 0, []);
        if (BackingFile is not null)
        {
            byte[] name = Encoding.UTF8.GetBytes(BackingFile);
            if (name.Length > MostBackingNameBytes || at + name.Length > cluster.Length) throw TooLong();
            name.CopyTo(cluster, at);
            Put64(cluster, 8, (ulong)at);
            Put32(cluster, 16, (uint)name.Length);
        }

        return cluster;
    }

    /// <summary>
    /// Writes the numbers that change in an image's life, from the size to the feature bits. They lie in one sector, and apart from the
    /// name of the backing file, which stays where its maker put it.
    /// </summary>
    public void WriteFields(IImageFile file)
    {
        const int From = 24;
        int to = Version == 3 ? 96 : Version2Bytes;
        byte[] bytes = new byte[to];
        Put64(bytes, 24, SizeBytes);
        Put32(bytes, 36, L1Entries);
        Put64(bytes, 40, L1Offset);
        Put64(bytes, 48, RefcountTableOffset);
        Put32(bytes, 56, RefcountTableClusters);
        Put32(bytes, 60, Snapshots);
        Put64(bytes, 64, SnapshotsOffset);
        if (Version == 3)
        {
            Put64(bytes, 72, (ulong)Incompatible);
            Put64(bytes, 80, (ulong)Compatible);
            Put64(bytes, 88, AutoClear);
        }

        file.Write(From, bytes.AsSpan(From));
    }

    private static int PutExtension(byte[] cluster, int at, uint type, byte[] data)
    {
        int end = at + 8 + (data.Length + 7 & ~7);
        if (end > cluster.Length) throw TooLong();
        Put32(cluster, at, type);
        Put32(cluster, at + 4, (uint)data.Length);
        data.CopyTo(cluster, at + 8);
        return end;
    }

    private static ImageException TooLong() => new("the name of the backing file is too long for the image's header");

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32BigEndian(bytes[at..]);

    private static ulong U64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64BigEndian(bytes[at..]);

    private static void Put32(Span<byte> bytes, int at, uint value) => BinaryPrimitives.WriteUInt32BigEndian(bytes[at..], value);

    private static void Put64(Span<byte> bytes, int at, ulong value) => BinaryPrimitives.WriteUInt64BigEndian(bytes[at..], value);

    private uint ReadVersion3(IImageFile file, byte[] bytes)
    {
        Incompatible = (Qcow2Incompatible)U64(bytes, 72);
        Compatible = (Qcow2Compatible)U64(bytes, 80);
        AutoClear = U64(bytes, 88);
        RefcountOrder = (int)Math.Min(U32(bytes, 96), int.MaxValue);
        uint headerBytes = U32(bytes, 100);
        if (headerBytes < 104 || headerBytes > ClusterBytes) throw new ImageException($"{file.Name}: the header says that it has {headerBytes} bytes");
        if (headerBytes > 104) Compression = (Qcow2Compression)bytes[104];
        return headerBytes;
    }

    private void ReadExtensions(IImageFile file, uint headerBytes, ulong backingOffset)
    {
        byte[] cluster = new byte[ClusterBytes];
        file.Read(0, cluster);
        ulong end = backingOffset != 0 && backingOffset < (ulong)ClusterBytes ? backingOffset : (ulong)ClusterBytes;
        ulong at = headerBytes;
        while (at + 8 <= end)
        {
            uint type = U32(cluster, (int)at);
            uint length = U32(cluster, (int)at + 4);
            if (type == 0) return;
            at += 8;
            if (length > end - at) throw new ImageException($"{file.Name}: header extension {type:x8} is longer than the header's cluster");
            byte[] data = cluster[(int)at..(int)(at + length)];
            if (type == BackingFormatExtension) BackingFormat = Encoding.UTF8.GetString(data);
            else if (type == BitmapsExtension) HasBitmaps = true;
            if (type is not (BackingFormatExtension or FeatureNamesExtension)) _otherExtensions.Add((type, data));
            at += (length + 7UL) & ~7UL;
        }
    }

    private void ReadBackingName(IImageFile file, ulong offset, uint length)
    {
        if (length > MostBackingNameBytes || offset > (ulong)ClusterBytes || offset + length > (ulong)ClusterBytes)
            throw new ImageException($"{file.Name}: the name of the backing file does not lie in the header's cluster");
        byte[] name = new byte[length];
        file.Read(offset, name);
        BackingFile = length == 0 ? null : Encoding.UTF8.GetString(name);
    }

    private void Judge(IImageFile file)
    {
        const Qcow2Incompatible Known = Qcow2Incompatible.Dirty | Qcow2Incompatible.Corrupt | Qcow2Incompatible.ExternalData
            | Qcow2Incompatible.CompressionType | Qcow2Incompatible.ExtendedL2;
        if ((Incompatible & ~Known) != 0) throw new ImageException($"{file.Name} needs features that are not known here (bits {(ulong)(Incompatible & ~Known):x})");
        if ((Incompatible & Qcow2Incompatible.ExternalData) != 0) throw new ImageException($"{file.Name} keeps its data in an external file, which is not supported");
        if ((Incompatible & Qcow2Incompatible.CompressionType) == 0 && Compression != Qcow2Compression.Deflate)
            throw new ImageException($"{file.Name}: a compression type without its feature bit");
        if (Compression > Qcow2Compression.Zstd) throw new ImageException($"{file.Name}: compression type {(byte)Compression} is not supported, deflate and zstd are");
        if (HasExtendedL2 && ClusterBits < 14) throw new ImageException($"{file.Name}: subclusters need clusters of at least 16 KiB");
        if (RefcountOrder > 6) throw new ImageException($"{file.Name}: refcounts of 2^{RefcountOrder} bits are more than 64");
        ulong clusterMask = (ulong)ClusterBytes - 1;
        if (SizeBytes > long.MaxValue || L1EntriesFor(SizeBytes) > L1Entries) throw new ImageException($"{file.Name}: the L1 table is too small for the disk's size");
        if ((ulong)L1Entries * 8 > MostL1Bytes) throw new ImageException($"{file.Name}: the L1 table has more than {MostL1Bytes >> 20} MiB");
        if (!IsTable(L1Offset, (ulong)L1Entries * 8, clusterMask) && L1Entries != 0) throw new ImageException($"{file.Name}: the L1 table lies at an impossible place");
        ulong refcountBytes = (ulong)RefcountTableClusters << ClusterBits;
        if (refcountBytes == 0 || refcountBytes > Math.Max(MostRefcountTableBytes, (ulong)ClusterBytes) || !IsTable(RefcountTableOffset, refcountBytes, clusterMask))
            throw new ImageException($"{file.Name}: the refcount table has an impossible place or size");
        if (Snapshots > MostSnapshots) throw new ImageException($"{file.Name} has more than {MostSnapshots} snapshots");
        if (Snapshots != 0 && !IsTable(SnapshotsOffset, Snapshots * 40UL, clusterMask)) throw new ImageException($"{file.Name}: the snapshot table lies at an impossible place");
    }

    private static bool IsTable(ulong offset, ulong bytes, ulong clusterMask)
        => offset != 0 && (offset & clusterMask) == 0 && offset <= long.MaxValue - bytes;
}
