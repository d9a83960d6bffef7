using System.Buffers.Binary;

namespace Vmm.Storage.Qcow2;

/// <summary>
/// How often each cluster of the file is used, and the search for free ones. An increase is in the file before anything that refers
/// to the cluster; a decrease only after the last reference is gone from the file, so that a crash can only leave clusters counted
/// that nobody uses. Used under the image's metadata lock.
/// </summary>
internal sealed class Qcow2Refcounts
{
    /// <summary>Beyond so many runs of clusters that wait to be freed, the image writes its metadata out.</summary>
    public const int ManyPending = 4096;

    // Offsets have 56 bits.
    private const ulong FileEnd = 1UL << 55;

    private readonly IImageFile _file;
    private readonly Qcow2Header _header;
    private readonly MetadataCache _cache;
    private readonly HashSet<ulong> _metadata;
    private readonly Action _writeMetadata;
    private List<(ulong Cluster, ulong Count)> _pending = [];
    private readonly ulong _highest;
    private ulong[] _table;
    private int _dirtyFrom = int.MaxValue;
    private int _dirtyTo = -1;
    private ulong _hint;
    private ulong _fresh;

    /// <param name="file">The image's file.</param>
    /// <param name="header">Judged already; changed when the table moves.</param>
    /// <param name="cache">Shared with the L2 tables.</param>
    /// <param name="metadata">The clusters that hold tables: none of them is ever given out.</param>
    /// <param name="writeMetadata">Writes all changed tables out, in order.</param>
    public Qcow2Refcounts(IImageFile file, Qcow2Header header, MetadataCache cache, HashSet<ulong> metadata, Action writeMetadata)
    {
        _file = file;
        _header = header;
        _cache = cache;
        _metadata = metadata;
        _writeMetadata = writeMetadata;
        _highest = _header.RefcountOrder == 6 ? ulong.MaxValue : (1UL << (1 << _header.RefcountOrder)) - 1;
        _table = TableReader.Read(file, header.RefcountTableOffset, (int)(header.RefcountTableClusters << header.ClusterBits) / 8);
        _fresh = file.Length + (ulong)header.ClusterBytes - 1 >> header.ClusterBits;
    }

    /// <summary>The places of the refcount blocks; 0 where there is none.</summary>
    public ReadOnlySpan<ulong> Table => _table;

    public bool HasPending => _pending.Count != 0;

    public bool HasManyPending => _pending.Count > ManyPending;

    /// <summary>Counts what must be in the file before a reference to it: new counts, and the data of clusters that are new.</summary>
    public ulong Changes { get; private set; }

    /// <summary>Up to here all <see cref="Changes"/> are behind a barrier.</summary>
    public ulong Safe { get; private set; }

    public bool NeedsBarrier => Changes != Safe;

    /// <summary>References to new clusters, whose data is written, are about to be made.</summary>
    public void NoteChange() => Changes++;

    /// <summary>There was a barrier after the changes up to here were in the file.</summary>
    public void NoteBarrier(ulong changes) => Safe = Math.Max(Safe, changes);

    /// <summary>How often a cluster is used.</summary>
    public ulong Get(ulong cluster)
    {
        ulong index = cluster / (ulong)_header.RefcountsPerBlock;
        if (index >= (ulong)_table.Length || _table[index] == 0) return 0;
        MetadataPage page = PageOf(cluster, out int at, out int bit);
        ReadOnlySpan<byte> bytes = page.Data.AsSpan(at);
        return _header.RefcountOrder switch
        {
            3 => bytes[0],
            4 => BinaryPrimitives.ReadUInt16BigEndian(bytes),
            5 => BinaryPrimitives.ReadUInt32BigEndian(bytes),
            6 => BinaryPrimitives.ReadUInt64BigEndian(bytes),
            _ => (ulong)(bytes[0] >> bit) & _highest,
        };
    }

    /// <summary>Sets a count. The cluster's refcount block exists.</summary>
    public void Set(ulong cluster, ulong count)
    {
        MetadataPage page = PageOf(cluster, out int at, out int bit);
        Span<byte> bytes = page.Data.AsSpan(at);
        switch (_header.RefcountOrder)
        {
            case 3: bytes[0] = (byte)count; break;
            case 4: BinaryPrimitives.WriteUInt16BigEndian(bytes, (ushort)count); break;
            case 5: BinaryPrimitives.WriteUInt32BigEndian(bytes, (uint)count); break;
            case 6: BinaryPrimitives.WriteUInt64BigEndian(bytes, count); break;
            default: bytes[0] = (byte)(bytes[0] & ~((int)_highest << bit) | (int)count << bit); break;
        }

        _cache.MarkDirty(page, isRefcount: true);
    }

    /// <summary>One reference more.</summary>
    /// <exception cref="ImageException">The count has no room for it, or the cluster was free.</exception>
    public void Increase(ulong cluster)
    {
        ulong count = Get(cluster);
        if (count == 0) throw ImageException.Corrupt($"{_file.Name}: cluster {cluster} is in use but counted as free");
        if (count == _highest) throw new ImageException($"{_file.Name}: refcounts of {1 << _header.RefcountOrder} bits have no room for another snapshot");
        Set(cluster, count + 1);
        NoteChange();
    }

    /// <summary>True when <see cref="Increase"/> would have room.</summary>
    public bool CanIncrease(ulong cluster) => Get(cluster) < _highest;

    /// <summary>Takes free clusters, side by side.</summary>
    /// <param name="want">How many; fewer may be given, unless <paramref name="all"/>.</param>
    /// <param name="all">Nothing less will do.</param>
    /// <param name="got">How many were taken.</param>
    /// <returns>The first cluster.</returns>
    public ulong Allocate(ulong want, bool all, out ulong got) => Allocate(want, all, out got, out _);

    /// <inheritdoc cref="Allocate(ulong, bool, out ulong)"/>
    /// <param name="isFresh">They lie where the file never reached: they read as zeros.</param>
    public ulong Allocate(ulong want, bool all, out ulong got, out bool isFresh)
    {
        ulong start = 0;
        got = 0;
        for (ulong cluster = _hint; got < want; cluster++)
        {
            EnsureBlock(cluster);
            if (Get(cluster) != 0)
            {
                if (got != 0 && !all) break;
                if (got == 0 && cluster == _hint) _hint++;
                got = 0;
                continue;
            }

            if (_metadata.Contains(cluster))
                throw ImageException.Corrupt($"{_file.Name}: cluster {cluster} holds a table but is counted as free; 'vmm image check --repair' mends it");
            if (got == 0) start = cluster;
            got++;
        }

        for (ulong i = 0; i < got; i++) Set(start + i, 1);
        if (_hint == start) _hint = start + got;
        isFresh = start >= _fresh;
        Reached(start + got);
        NoteChange();
        return start;
    }

    /// <summary>One reference less, once the file no longer holds it.</summary>
    public void FreeLater(ulong offset, ulong bytes)
    {
        ulong cluster = offset >> _header.ClusterBits;
        ulong count = (offset + bytes - 1 >> _header.ClusterBits) - cluster + 1;
        if (_pending.Count != 0 && _pending[^1] is var (last, n) && last + n == cluster) _pending[^1] = (last, n + count);
        else _pending.Add((cluster, count));
    }

    /// <summary>Gives clusters back that were taken and never referred to.</summary>
    public void Return(ulong cluster, ulong count)
    {
        for (ulong i = 0; i < count; i++) Set(cluster + i, 0);
        _hint = Math.Min(_hint, cluster);
    }

    /// <summary>Takes over what waits to be freed, for <see cref="PutBack"/> or <see cref="BeginFree"/>.</summary>
    public List<(ulong Cluster, ulong Count)> TakePending()
    {
        List<(ulong, ulong)> taken = _pending;
        _pending = [];
        return taken;
    }

    /// <summary>The references may be in the file still.</summary>
    public void PutBack(List<(ulong Cluster, ulong Count)> pending) => _pending.InsertRange(0, pending);

    /// <summary>Takes one reference off each cluster; the file holds it no more, and no I/O to it is under way.</summary>
    /// <returns>The clusters whose last one it was. They are counted until <see cref="EndFree"/>, so nobody gets them before that.</returns>
    public List<(ulong Cluster, ulong Count)> BeginFree(List<(ulong Cluster, ulong Count)> runs)
    {
        List<(ulong Cluster, ulong Count)> unused = [];
        foreach ((ulong first, ulong count) in runs)
        {
            for (ulong cluster = first; cluster < first + count; cluster++)
            {
                ulong value = Get(cluster);
                if (value == 0) throw ImageException.Corrupt($"{_file.Name}: cluster {cluster} was in use but counted as free");
                if (value > 1)
                {
                    Set(cluster, value - 1);
                    continue;
                }

                _cache.Forget(cluster << _header.ClusterBits, (ulong)_header.ClusterBytes);
                if (unused.Count != 0 && unused[^1] is var (last, n) && last + n == cluster) unused[^1] = (last, n + 1);
                else unused.Add((cluster, 1));
            }
        }

        return unused;
    }

    /// <summary>Gives the storage of unused clusters back. Takes no lock.</summary>
    public void Punch(List<(ulong Cluster, ulong Count)> unused)
    {
        foreach ((ulong cluster, ulong count) in unused) _file.TryPunchHole(cluster << _header.ClusterBits, count << _header.ClusterBits);
    }

    /// <summary>The clusters can be had again.</summary>
    public void EndFree(List<(ulong Cluster, ulong Count)> unused)
    {
        foreach ((ulong first, ulong count) in unused)
        {
            for (ulong cluster = first; cluster < first + count; cluster++)
            {
                if (Get(cluster) != 1) throw ImageException.Corrupt($"{_file.Name}: cluster {cluster} was freed twice");
                Set(cluster, 0);
                _metadata.Remove(cluster);
            }

            _hint = Math.Min(_hint, first);
        }
    }

    /// <summary>Writes changed entries of the table; what they point to is in the file already.</summary>
    /// <returns>True when there were any.</returns>
    public bool WriteTable()
    {
        if (_dirtyTo < 0) return false;
        _file.Flush();
        TableReader.Write(_file, _header.RefcountTableOffset, _table, _dirtyFrom, _dirtyTo);
        _dirtyFrom = int.MaxValue;
        _dirtyTo = -1;
        return true;
    }

    /// <summary>Goes over to another table, which is in the file already.</summary>
    public void Replace(ulong[] table)
    {
        _table = table;
        _pending.Clear();
        _dirtyFrom = int.MaxValue;
        _dirtyTo = -1;
        _hint = 0;
        Reached(_file.Length + (ulong)_header.ClusterBytes - 1 >> _header.ClusterBits);
    }

    /// <summary>Makes the refcount block that counts a cluster, when there is none.</summary>
    public void EnsureBlock(ulong cluster)
    {
        ulong index = cluster / (ulong)_header.RefcountsPerBlock;
        if (index >= (ulong)_table.Length) GrowTable(index);
        if (_table[index] != 0) return;
        // A block counts itself: it takes the first of the clusters that nobody counted yet.
        ulong self = index * (ulong)_header.RefcountsPerBlock;
        if (self << _header.ClusterBits >= FileEnd) throw new ImageException($"{_file.Name} cannot grow any more");
        if (!_metadata.Add(self)) throw ImageException.Corrupt($"{_file.Name}: cluster {self} holds a table but is counted as free");
        ulong offset = self << _header.ClusterBits;
        _cache.Forget(offset, (ulong)_header.ClusterBytes);
        _file.Write(offset, new byte[_header.ClusterBytes]);
        _table[index] = offset;
        _dirtyFrom = Math.Min(_dirtyFrom, (int)index);
        _dirtyTo = Math.Max(_dirtyTo, (int)index);
        Set(self, 1);
        Reached(self + 1);
        NoteChange();
    }

    private void Reached(ulong cluster) => _fresh = Math.Max(_fresh, cluster);

    private MetadataPage PageOf(ulong cluster, out int at, out int bit)
    {
        ulong perBlock = (ulong)_header.RefcountsPerBlock;
        ulong block = _table[cluster / perBlock];
        if ((block & ((ulong)_header.ClusterBytes - 1)) != 0 || block >= FileEnd)
            throw ImageException.Corrupt($"{_file.Name}: refcount block {cluster / perBlock} lies at an impossible place");
        ulong bits = cluster % perBlock << _header.RefcountOrder;
        ulong byteOffset = block + bits / 8;
        at = (int)(byteOffset & (ulong)(_cache.PageBytes - 1));
        bit = (int)(bits % 8);
        return _cache.Get(byteOffset);
    }

    // The new table lies, behind the blocks that count it, where the old one's reach ends.
    private void GrowTable(ulong index)
    {
        ulong perBlock = (ulong)_header.RefcountsPerBlock;
        ulong entriesPerCluster = (ulong)_header.ClusterBytes / 8;
        ulong wanted = Math.Max(index + 1, (ulong)_table.Length * 3 / 2);
        ulong start = (ulong)_table.Length * perBlock;
        ulong blocks = 1;
        ulong tableClusters;
        do
        {
            tableClusters = (Math.Max(wanted, (ulong)_table.Length + blocks) + entriesPerCluster - 1) / entriesPerCluster;
        }
        while (blocks * perBlock < blocks + tableClusters && ++blocks != 0);

        if (tableClusters << _header.ClusterBits > Qcow2Header.MostRefcountTableBytes || (start + blocks + tableClusters) << _header.ClusterBits >= FileEnd)
            throw new ImageException($"{_file.Name} cannot grow any more: its refcount table is full");
        _writeMetadata();
        ulong[] table = new ulong[tableClusters * entriesPerCluster];
        _table.CopyTo(table, 0);
        ulong oldOffset = _header.RefcountTableOffset;
        ulong oldBytes = (ulong)_header.RefcountTableClusters << _header.ClusterBits;
        for (ulong i = 0; i < blocks; i++) table[(ulong)_table.Length + i] = (start + i) << _header.ClusterBits;
        _cache.Forget(start << _header.ClusterBits, blocks << _header.ClusterBits);
        ZeroWriter.Write(_file, start << _header.ClusterBits, blocks << _header.ClusterBits);
        ulong newOffset = (start + blocks) << _header.ClusterBits;
        TableReader.Write(_file, newOffset, table, 0, table.Length - 1);
        _table = table;
        for (ulong i = 0; i < blocks + tableClusters; i++)
        {
            Set(start + i, 1);
            _metadata.Add(start + i);
        }

        Reached(start + blocks + tableClusters);
        _cache.WriteDirty(isRefcount: true);
        _file.Flush();
        _header.RefcountTableOffset = newOffset;
        _header.RefcountTableClusters = (uint)tableClusters;
        _header.WriteFields(_file);
        _file.Flush();
        FreeLater(oldOffset, oldBytes);
    }
}
