using Vmm.Storage.Tools;

namespace Vmm.Storage.Qcow2;

/// <summary>Counting all references, comparing with the refcounts, and mending.</summary>
internal sealed partial class Qcow2Image
{
    /// <summary>Checks the image. Nobody else uses it meanwhile.</summary>
    /// <param name="repair">What may be changed.</param>
    /// <param name="progress">Is told the part that is done, 0 to 1.</param>
    /// <exception cref="ImageException">The check itself cannot be done.</exception>
    public ImageCheckResult Check(ImageRepair repair, Action<double>? progress)
    {
        if (_header.HasBitmaps) throw new ImageException($"{Name} has dirty bitmaps, which are not understood here: it cannot be checked");
        if (repair != ImageRepair.None && _isReadOnly) throw new ImageException($"{Name} is open for reading only");
        lock (_gate)
        {
            ImageCheckResult result = Examine(repair, progress);
            if (repair == ImageRepair.None || (result.IsClean && _header.Incompatible is 0)) return result;
            if (result.Corruptions != 0 && repair == ImageRepair.All) Rebuild();
            _cache.WriteDirty(isRefcount: true);
            _refcounts.WriteTable();
            _file.Flush();
            if (repair == ImageRepair.All)
            {
                MarkCopied();
                WriteMetadata();
                _file.Flush();
            }

            ImageCheckResult after = Examine(ImageRepair.None, null);
            after.LeaksFixed = result.Leaks > after.Leaks ? result.Leaks - after.Leaks : 0;
            after.CorruptionsFixed = result.Corruptions > after.Corruptions ? result.Corruptions - after.Corruptions : 0;
            const Qcow2Incompatible Marks = Qcow2Incompatible.Dirty | Qcow2Incompatible.Corrupt;
            if (after.Corruptions == 0 && (_header.Incompatible & Marks) != 0)
            {
                _header.Incompatible &= ~Marks;
                _header.WriteFields(_file);
                _file.Flush();
            }

            return after;
        }
    }

    private ImageCheckResult Examine(ImageRepair repair, Action<double>? progress)
    {
        ImageCheckResult result = new() { TotalClusters = (_header.SizeBytes + ClusterMask) >> _header.ClusterBits };
        ClusterCounts used = CountReferences(result, withRefcounts: true, progress);
        CompareCounts(result, used, repair);
        if (result.Corruptions == 0) JudgeFlags(result);
        return result;
    }

    private ClusterCounts CountReferences(ImageCheckResult result, bool withRefcounts, Action<double>? progress)
    {
        // A cluster may begin in the file and end beyond it.
        ClusterCounts used = new((_file.Length + ClusterMask >> _header.ClusterBits) + 1);
        CountRange(result, used, 0, (ulong)ClusterBytes, "the header");
        HashSet<ulong> l1Tables = [];
        double trees = 1 + _snapshots.Count;
        CountTree(result, used, _header.L1Offset, _l1, l1Tables, isActive: true, p => progress?.Invoke(p / trees));
        for (int i = 0; i < _snapshots.Count; i++)
        {
            Qcow2Snapshot snapshot = _snapshots[i];
            if (snapshot.L1Entries == 0) continue;
            int done = i + 1;
            CountTree(result, used, snapshot.L1Offset, TableReader.Read(_file, snapshot.L1Offset, (int)snapshot.L1Entries), l1Tables, isActive: false,
                p => progress?.Invoke((done + p) / trees));
        }

        if (_header.Snapshots != 0) CountRange(result, used, _header.SnapshotsOffset, Qcow2Snapshot.TableBytes(_snapshots), "the snapshot table");
        if (!withRefcounts) return used;
        CountRange(result, used, _header.RefcountTableOffset, (ulong)_header.RefcountTableClusters << _header.ClusterBits, "the refcount table");
        foreach (ulong block in _refcounts.Table)
        {
            if (block == 0) continue;
            if ((block & ClusterMask) != 0) result.Corruption($"a refcount block lies at 0x{block:x}, which is no cluster");
            else if (CountRange(result, used, block, (ulong)ClusterBytes, "a refcount block") && used[block >> _header.ClusterBits] > 1)
                result.Corruption($"the refcount block at 0x{block:x} is used for something else, too");
        }

        return used;
    }

    private void CountTree(ImageCheckResult result, ClusterCounts used, ulong l1Offset, ulong[] l1, HashSet<ulong> l1Tables, bool isActive, Action<double> progress)
    {
        if (l1.Length == 0) return;
        if (!l1Tables.Add(l1Offset))
        {
            result.Corruption($"two L1 tables lie at 0x{l1Offset:x}");
            return;
        }

        CountRange(result, used, l1Offset, (ulong)l1.Length * 8, "an L1 table");
        HashSet<ulong> tables = [];
        for (int i = 0; i < l1.Length; i++)
        {
            if (i % 16 == 0) progress((double)i / l1.Length);
            ulong table = l1[i] & Qcow2Bits.OffsetMask;
            if ((l1[i] & Qcow2Bits.L1Reserved) != 0 || (table & ClusterMask) != 0)
            {
                result.Corruption($"L1 entry {l1[i]:x16} is invalid");
                continue;
            }

            if (table == 0 || !CountRange(result, used, table, (ulong)ClusterBytes, "an L2 table")) continue;
            // Walked once only: an L1 table full of one L2 table would take for ever.
            if (tables.Add(table)) CountTable(result, used, table, isActive);
            else result.Corruption($"the L2 table at 0x{table:x} is used twice by one L1 table");
        }
    }

    private void CountTable(ImageCheckResult result, ClusterCounts used, ulong table, bool isActive)
    {
        ulong entryBytes = _header.HasExtendedL2 ? 16UL : 8UL;
        for (int i = 0; i < _header.L2Entries; i++)
        {
            ulong entry = _cache.Read64(table + (ulong)i * entryBytes);
            if (entry == 0) continue;
            if ((entry & Qcow2Bits.Compressed) != 0)
            {
                (ulong place, int bytes) = CompressedPlace(entry);
                if ((entry & Qcow2Bits.Copied) != 0) result.Corruption($"the compressed cluster at 0x{place:x} is marked as counted once");
                CountRange(result, used, place, (ulong)bytes, "a compressed cluster");
                if (!isActive) continue;
                result.CompressedClusters++;
                result.AllocatedClusters++;
                continue;
            }

            ulong offset = entry & Qcow2Bits.OffsetMask;
            bool isBad = (entry & Qcow2Bits.L2Reserved) != 0 || (offset & ClusterMask) != 0
                || ((entry & Qcow2Bits.Zero) != 0 && (_header.Version < 3 || _header.HasExtendedL2));
            if (isBad) result.Corruption($"L2 entry {entry:x16} is invalid");
            else if (offset != 0 && CountRange(result, used, offset, (ulong)ClusterBytes, "a data cluster") && isActive) result.AllocatedClusters++;
        }
    }

    private bool CountRange(ImageCheckResult result, ClusterCounts used, ulong offset, ulong bytes, string what)
    {
        if (bytes == 0) return true;
        ulong last = offset + bytes - 1 >> _header.ClusterBits;
        if ((offset & ClusterMask) != 0 && what is "an L1 table")
        {
            result.Corruption($"an L1 table lies at 0x{offset:x}, which is no cluster");
            return false;
        }

        if (last >= used.Clusters)
        {
            result.Corruption($"{what} at 0x{offset:x} lies beyond the end of the file");
            return false;
        }

        for (ulong cluster = offset >> _header.ClusterBits; cluster <= last; cluster++) used.Add(cluster);
        result.EndOffset = Math.Max(result.EndOffset, last + 1 << _header.ClusterBits);
        return true;
    }

    private void CompareCounts(ImageCheckResult result, ClusterCounts used, ImageRepair repair)
    {
        ulong perBlock = (ulong)_header.RefcountsPerBlock;
        for (ulong cluster = 0; cluster < used.Clusters; cluster++) CompareCount(result, cluster, used[cluster], repair);
        // Counts for what the file does not have: one look at each block that exists.
        for (ulong index = used.Clusters / perBlock; index < (ulong)_refcounts.Table.Length; index++)
        {
            if (_refcounts.Table[(int)index] == 0) continue;
            for (ulong cluster = Math.Max(index * perBlock, used.Clusters); cluster < (index + 1) * perBlock; cluster++) CompareCount(result, cluster, 0, repair);
        }
    }

    private void CompareCount(ImageCheckResult result, ulong cluster, uint used, ImageRepair repair)
    {
        ulong counted = CountOrZero(cluster);
        if (counted == used) return;
        if (counted < used)
        {
            result.Corruption($"cluster {cluster} is used {used} times and counted {counted} times");
            return;
        }

        result.Leak($"cluster {cluster} is used {used} times and counted {counted} times");
        if (repair != ImageRepair.None) _refcounts.Set(cluster, used);
    }

    private ulong CountOrZero(ulong cluster)
    {
        ulong index = cluster / (ulong)_header.RefcountsPerBlock;
        // A block at an impossible place was reported once already.
        if (index < (ulong)_refcounts.Table.Length && (_refcounts.Table[(int)index] & ClusterMask) != 0) return 0;
        return _refcounts.Get(cluster);
    }

    private void JudgeFlags(ImageCheckResult result)
    {
        foreach (ulong entry in _l1)
        {
            ulong table = entry & Qcow2Bits.OffsetMask;
            if (table == 0) continue;
            JudgeFlag(result, entry, "L2 table");
            for (int i = 0; i < _header.L2Entries; i++)
            {
                ulong data = _cache.Read64(table + (ulong)i * (_header.HasExtendedL2 ? 16UL : 8UL));
                if ((data & Qcow2Bits.Compressed) == 0 && (data & Qcow2Bits.OffsetMask) != 0) JudgeFlag(result, data, "cluster");
            }
        }
    }

    private void JudgeFlag(ImageCheckResult result, ulong entry, string what)
    {
        ulong offset = entry & Qcow2Bits.OffsetMask;
        bool isOnce = _refcounts.Get(offset >> _header.ClusterBits) == 1;
        if (isOnce != ((entry & Qcow2Bits.Copied) != 0)) result.Corruption($"the {what} at 0x{offset:x} is {(isOnce ? "not " : "")}marked as counted once");
    }

    /// <summary>Counts everything anew, behind all that is in use; the old counts are given up.</summary>
    private void Rebuild()
    {
        ImageCheckResult ignored = new();
        ClusterCounts used = CountReferences(ignored, withRefcounts: false, null);
        ulong start = used.Clusters;
        ulong perBlock = (ulong)_header.RefcountsPerBlock;
        ulong blocks = 0;
        ulong tableClusters = 0;
        while (true)
        {
            ulong needBlocks = (start + blocks + tableClusters + perBlock - 1) / perBlock;
            ulong needTable = (needBlocks * 8 + ClusterMask) >> _header.ClusterBits;
            if (needBlocks == blocks && needTable == tableClusters) break;
            blocks = needBlocks;
            tableClusters = needTable;
        }

        if (tableClusters << _header.ClusterBits > Math.Max(Qcow2Header.MostRefcountTableBytes, (ulong)ClusterBytes))
            throw new ImageException($"{Name} is too large for new refcounts");
        ulong end = start + blocks + tableClusters;
        ulong highest = _header.RefcountOrder == 6 ? ulong.MaxValue : (1UL << (1 << _header.RefcountOrder)) - 1;
        for (ulong cluster = 0; cluster < start; cluster++)
        {
            if (used[cluster] > highest) throw new ImageException($"{Name}: refcounts of {1 << _header.RefcountOrder} bits cannot count cluster {cluster}");
        }

        ulong[] table = new ulong[(tableClusters << _header.ClusterBits) / 8];
        for (ulong i = 0; i < blocks; i++) table[i] = start + i << _header.ClusterBits;
        _cache.Clear();
        ZeroWriter.Write(_file, start << _header.ClusterBits, blocks << _header.ClusterBits);
        TableReader.Write(_file, start + blocks << _header.ClusterBits, table, 0, table.Length - 1);
        _refcounts.Replace(table);
        for (ulong cluster = 0; cluster < start; cluster++)
        {
            if (used[cluster] != 0) _refcounts.Set(cluster, used[cluster]);
        }

        for (ulong cluster = start; cluster < end; cluster++) _refcounts.Set(cluster, 1);
        _cache.WriteDirty(isRefcount: true);
        _file.Flush();
        _header.RefcountTableOffset = start + blocks << _header.ClusterBits;
        _header.RefcountTableClusters = (uint)tableClusters;
        _header.WriteFields(_file);
        _file.Flush();
    }
}
