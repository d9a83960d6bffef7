using System.Numerics;

namespace Vmm.Storage.Qcow2;

/// <summary>New, empty images: header, refcount table, one refcount block, L1 table.</summary>
internal static class Qcow2Creator
{
    /// <summary>Writes an empty image into an empty file.</summary>
    /// <exception cref="ImageException">The options contradict each other or the format.</exception>
    public static Qcow2Header Create(IImageFile file, Qcow2CreateOptions options)
    {
        Qcow2Header header = HeaderFor(options);
        ulong clusterBytes = (ulong)header.ClusterBytes;
        ulong l1Clusters = Math.Max(1, ((ulong)header.L1Entries * 8 + clusterBytes - 1) / clusterBytes);
        // Counts for all of this must fit the table's first cluster; with small clusters and much to count it takes more.
        ulong perBlock = (ulong)header.RefcountsPerBlock;
        ulong blocks = 1;
        ulong tableClusters = 1;
        while (true)
        {
            ulong needBlocks = (1 + tableClusters + blocks + l1Clusters + perBlock - 1) / perBlock;
            ulong needTable = (needBlocks * 8 + clusterBytes - 1) / clusterBytes;
            if (needBlocks <= blocks && needTable <= tableClusters) break;
            blocks = Math.Max(blocks, needBlocks);
            tableClusters = Math.Max(tableClusters, needTable);
        }

        header.RefcountTableOffset = clusterBytes;
        header.RefcountTableClusters = (uint)tableClusters;
        header.L1Offset = (1 + tableClusters + blocks) * clusterBytes;
        ulong total = 1 + tableClusters + blocks + l1Clusters;
        file.SetLength(total * clusterBytes);
        ulong[] table = new ulong[tableClusters * clusterBytes / 8];
        for (ulong i = 0; i < blocks; i++) table[i] = (1 + tableClusters + i) * clusterBytes;
        TableReader.Write(file, header.RefcountTableOffset, table, 0, table.Length - 1);
        MetadataCache cache = new(file, (int)Math.Min(4096, clusterBytes), int.MaxValue, () => { });
        Qcow2Refcounts refcounts = new(file, header, cache, [], () => { });
        for (ulong cluster = 0; cluster < total; cluster++) refcounts.Set(cluster, 1);
        cache.WriteDirty(isRefcount: true);
        // Only a whole image has a header.
        file.Flush();
        file.Write(0, header.ToBytes());
        file.Flush();
        return header;
    }

    private static Qcow2Header HeaderFor(Qcow2CreateOptions options)
    {
        if (options.Version is not (2 or 3)) throw new ImageException("compat is 0.10 (version 2) or 1.1 (version 3)");
        if (!BitOperations.IsPow2(options.ClusterBytes) || options.ClusterBytes is < 512 or > 2 << 20)
            throw new ImageException("the cluster size is a power of two from 512 to 2M");
        if (!BitOperations.IsPow2(options.RefcountBits) || options.RefcountBits is < 1 or > 64)
            throw new ImageException("refcount_bits is 1, 2, 4, 8, 16, 32 or 64");
        if (options.Version == 2 && (options.RefcountBits != 16 || options.LazyRefcounts || options.Compression != Qcow2Compression.Deflate))
            throw new ImageException("refcount_bits, lazy_refcounts and compression_type need compat=1.1");
        if (options.SizeBytes % 512 != 0 || options.SizeBytes > long.MaxValue) throw new ImageException("a disk has a whole number of 512-byte sectors");
        Qcow2Header header = new()
        {
            Version = (uint)options.Version,
            ClusterBits = BitOperations.Log2((uint)options.ClusterBytes),
            SizeBytes = options.SizeBytes,
            RefcountOrder = BitOperations.Log2((uint)options.RefcountBits),
            Compression = options.Compression,
            Incompatible = options.Compression == Qcow2Compression.Deflate ? Qcow2Incompatible.None : Qcow2Incompatible.CompressionType,
            Compatible = options.LazyRefcounts ? Qcow2Compatible.LazyRefcounts : Qcow2Compatible.None,
            BackingFile = options.BackingFile,
            BackingFormat = options.BackingFormat?.Name(),
        };
        if (options.BackingFile is not null && options.BackingFormat is null) throw new ImageException("the format of the backing file must be said");
        ulong entries = header.L1EntriesFor(options.SizeBytes);
        if (entries * 8 > Qcow2Header.MostL1Bytes) throw new ImageException($"clusters of {options.ClusterBytes} bytes cannot make a disk of {options.SizeBytes} bytes");
        header.L1Entries = (uint)entries;
        return header;
    }
}
