using System.Buffers;
using Vmm.Core.Backends;
using Vmm.Core.Memory;

namespace Vmm.Storage.Qcow2;

/// <summary>Where the disk's bytes lie, and reading them.</summary>
internal sealed partial class Qcow2Image
{
    private const int SubclustersPerCluster = 32;

    protected override void ReadCore(ulong offset, ReadOnlySpan<IoVec> vectors, ulong count)
    {
        int ticket = _access.Enter();
        try
        {
            IoCursor cursor = new(vectors);
            while (count != 0)
            {
                Qcow2Run run = Find(offset, count);
                ReadRun(offset, run, ref cursor);
                offset += run.Length;
                count -= run.Length;
            }
        }
        finally
        {
            _access.Leave(ticket);
        }
    }

    private void ReadRun(ulong offset, in Qcow2Run run, ref IoCursor cursor)
    {
        switch (run.Kind)
        {
            case BlockExtentKind.Zero:
                cursor.Clear(run.Length);
                break;
            case BlockExtentKind.Unallocated:
                FileTransfer.ReadBacking(_backing, offset, run.Length, ref cursor);
                break;
            case BlockExtentKind.Compressed:
                lock (_codec) cursor.Fill(Expand(run.Entry).AsSpan((int)(offset & ClusterMask), (int)run.Length));
                break;
            default:
                FileTransfer.Read(_file, run.HostOffset, run.Length, ref cursor);
                break;
        }
    }

    private Qcow2Run Find(ulong offset, ulong count)
    {
        Prefetch(offset);
        lock (_gate) return Lookup(offset, count);
    }

    /// <summary>Reads the piece of the L2 table for a place of the disk into the cache, without the lock, so that nobody else waits for it.</summary>
    private void Prefetch(ulong offset)
    {
        ulong page, version;
        lock (_gate)
        {
            ulong table = L2TableOf(offset / _header.L2Coverage);
            if (table == 0 || _cache.Has(EntryPlaceOf(table, offset))) return;
            page = EntryPlaceOf(table, offset) & ~((ulong)_cache.PageBytes - 1);
            version = _cache.FileVersion;
        }

        byte[] buffer = ArrayPool<byte>.Shared.Rent(_cache.PageBytes);
        Span<byte> data = buffer.AsSpan(0, _cache.PageBytes);
        _file.Read(page, data);
        lock (_gate) _cache.Insert(page, data, version);
        ArrayPool<byte>.Shared.Return(buffer);
    }

    private ulong EntryPlaceOf(ulong table, ulong offset) => table + (offset % _header.L2Coverage >> _header.ClusterBits) * (_header.HasExtendedL2 ? 16UL : 8UL);

    /// <summary>What stands behind a range, as far as it is kept in one way and side by side.</summary>
    private Qcow2Run Lookup(ulong offset, ulong count)
    {
        ulong coverage = _header.L2Coverage;
        ulong most = Math.Min(count, coverage - offset % coverage);
        ulong table = L2TableOf(offset / coverage);
        if (table == 0) return new Qcow2Run(BlockExtentKind.Unallocated, most, 0, 0, false);
        if (_header.HasExtendedL2) return LookupSubclusters(table, offset, most);
        int index = (int)(offset % coverage >> _header.ClusterBits);
        ulong inCluster = offset & ClusterMask;
        ulong entry = _cache.Read64(table + (ulong)index * 8);
        BlockExtentKind kind = KindOf(entry);
        ulong length = (ulong)ClusterBytes - inCluster;
        ulong host = entry & Qcow2Bits.OffsetMask;
        while (length < most && kind != BlockExtentKind.Compressed)
        {
            ulong next = _cache.Read64(table + (ulong)++index * 8);
            if (KindOf(next) != kind || ((next ^ entry) & Qcow2Bits.Copied) != 0) break;
            if (kind == BlockExtentKind.Data && (next & Qcow2Bits.OffsetMask) != host + inCluster + length) break;
            length += (ulong)ClusterBytes;
        }

        bool inPlace = kind == BlockExtentKind.Data && (entry & Qcow2Bits.Copied) != 0;
        return new Qcow2Run(kind, Math.Min(length, most), host + inCluster, entry, inPlace);
    }

    private Qcow2Run LookupSubclusters(ulong table, ulong offset, ulong most)
    {
        ulong subclusterBytes = (ulong)ClusterBytes / SubclustersPerCluster;
        ulong place = table + (offset % _header.L2Coverage >> _header.ClusterBits) * 16;
        ulong entry = _cache.Read64(place);
        ulong bitmap = _cache.Read64(place + 8);
        ulong inCluster = offset & ClusterMask;
        if ((entry & Qcow2Bits.Compressed) != 0)
            return new Qcow2Run(BlockExtentKind.Compressed, Math.Min(most, (ulong)ClusterBytes - inCluster), 0, entry, false);
        JudgeData(entry);
        int index = (int)(inCluster / subclusterBytes);
        BlockExtentKind kind = KindOfSubcluster(bitmap, index);
        if (kind == BlockExtentKind.Data && (entry & Qcow2Bits.OffsetMask) == 0)
            throw ImageException.Corrupt($"{Name}: the cluster at 0x{offset:x} has subclusters and no place");
        ulong length = subclusterBytes - inCluster % subclusterBytes;
        while (++index < SubclustersPerCluster && KindOfSubcluster(bitmap, index) == kind) length += subclusterBytes;
        return new Qcow2Run(kind, Math.Min(length, most), (entry & Qcow2Bits.OffsetMask) + inCluster, entry, false);
    }

    private BlockExtentKind KindOfSubcluster(ulong bitmap, int index)
    {
        bool isAllocated = (bitmap >> index & 1) != 0;
        bool isZero = (bitmap >> (index + SubclustersPerCluster) & 1) != 0;
        if (isAllocated && isZero) throw ImageException.Corrupt($"{Name}: a subcluster is both allocated and zero");
        return isAllocated ? BlockExtentKind.Data : isZero ? BlockExtentKind.Zero : BlockExtentKind.Unallocated;
    }

    private BlockExtentKind KindOf(ulong entry)
    {
        if (entry == 0) return BlockExtentKind.Unallocated;
        if ((entry & Qcow2Bits.Compressed) != 0) return BlockExtentKind.Compressed;
        JudgeData(entry);
        if ((entry & Qcow2Bits.Zero) != 0) return BlockExtentKind.Zero;
        return (entry & Qcow2Bits.OffsetMask) != 0 ? BlockExtentKind.Data : BlockExtentKind.Unallocated;
    }

    private void JudgeData(ulong entry)
    {
        bool isBad = (entry & Qcow2Bits.L2Reserved) != 0 || (entry & Qcow2Bits.OffsetMask & ClusterMask) != 0
            || ((entry & Qcow2Bits.Zero) != 0 && (_header.Version < 3 || _header.HasExtendedL2));
        if (isBad) throw ImageException.Corrupt($"{Name}: {entry:x16} is no valid L2 entry");
    }

    private ulong L2TableOf(ulong l1Index)
    {
        ulong entry = _l1[l1Index];
        ulong table = entry & Qcow2Bits.OffsetMask;
        if (table == 0) return 0;
        if ((entry & Qcow2Bits.L1Reserved) != 0 || (table & ClusterMask) != 0) throw ImageException.Corrupt($"{Name}: {entry:x16} is no valid L1 entry");
        return table;
    }

    // Under the codec's lock. The cluster read last is kept: a compressed image is read in pieces smaller than its clusters.
    private byte[] Expand(ulong entry)
    {
        if (_expanded is not null && _expandedEntry == entry) return _expanded;
        (ulong offset, int bytes) = CompressedPlace(entry);
        byte[] packed = new byte[bytes];
        _file.Read(offset, packed);
        byte[] cluster = _expanded ?? new byte[ClusterBytes];
        _expanded = null;
        if (!_codec.TryExpand(packed, bytes, cluster)) throw ImageException.Corrupt($"{Name}: the compressed cluster at 0x{offset:x} cannot be read");
        _expandedEntry = entry;
        return _expanded = cluster;
    }

    /// <summary>Where a compressed cluster lies: up to the end of its last sector.</summary>
    private (ulong Offset, int Bytes) CompressedPlace(ulong entry)
    {
        int offsetBits = 62 - (_header.ClusterBits - 8);
        ulong offset = entry & ((1UL << offsetBits) - 1);
        ulong sectors = ((entry & (Qcow2Bits.Compressed - 1)) >> offsetBits) + 1;
        return (offset, (int)(sectors * IBlockBackend.SectorBytes - offset % IBlockBackend.SectorBytes));
    }
}
