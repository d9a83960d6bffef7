using System.Buffers;
using Vmm.Core.Backends;
using Vmm.Core.Memory;

namespace Vmm.Storage.Qcow2;

/// <summary>Changing the disk's content.</summary>
internal sealed partial class Qcow2Image
{
    /// <summary>The most that one allocation takes, so that others get their turn.</summary>
    private const ulong MostAllocationBytes = 8UL << 20;

    private static readonly byte[] ZeroPiece = new byte[64 * 1024];

    protected override void WriteCore(ulong offset, ReadOnlySpan<IoVec> vectors, ulong count)
    {
        IoCursor cursor = new(vectors);
        while (count != 0)
        {
            ulong done = WriteInPlace(offset, count, ref cursor);
            if (done == 0) done = WriteAllocating(offset, count, ref cursor);
            offset += done;
            count -= done;
        }
    }

    protected override void DiscardCore(ulong offset, ulong count) => Unmap(offset, count, isDiscard: true, mayUnmap: true);

    protected override void WriteZeroesCore(ulong offset, ulong count, bool mayUnmap) => Unmap(offset, count, isDiscard: false, mayUnmap);

    /// <summary>Puts a cluster in compressed; for convert.</summary>
    /// <param name="offset">At a cluster.</param>
    /// <param name="cluster">The whole cluster.</param>
    /// <param name="packed">Its compressed bytes; empty when they would not be fewer.</param>
    internal void WriteCompressed(ulong offset, ReadOnlySpan<byte> cluster, ReadOnlySpan<byte> packed)
    {
        if (packed.IsEmpty)
        {
            BlockResult result = this.Write(offset, cluster[..(int)Math.Min((ulong)cluster.Length, SizeBytes - offset)]);
            if (result != BlockResult.Ok) throw new ImageException(result, FirstError ?? result.ToString());
            return;
        }

        lock (_changing)
        {
            lock (_gate)
            {
                ThrowIfBroken();
                ulong place = AllocateSectors((uint)packed.Length);
                _file.Write(place, packed);
                int offsetBits = 62 - (_header.ClusterBits - 8);
                ulong sectors = (place + (ulong)packed.Length - 1) / IBlockBackend.SectorBytes - place / IBlockBackend.SectorBytes;
                ulong table = WritableL2(offset / _header.L2Coverage);
                _refcounts.NoteChange();
                SetEntry(table, offset, Qcow2Bits.Compressed | sectors << offsetBits | place);
            }
        }
    }

    internal Qcow2Compression Compression => _header.Compression;

    private ulong WriteInPlace(ulong offset, ulong count, ref IoCursor cursor)
    {
        int ticket = _access.Enter();
        try
        {
            Qcow2Run run;
            Prefetch(offset);
            lock (_gate)
            {
                ThrowIfBroken();
                run = Lookup(offset, count);
                if (!run.IsInPlace) return 0;
                JudgeTarget(run.HostOffset, run.Length);
            }

            FileTransfer.Write(_file, run.HostOffset, run.Length, ref cursor);
            return run.Length;
        }
        finally
        {
            _access.Leave(ticket);
        }
    }

    private ulong WriteAllocating(ulong offset, ulong count, ref IoCursor cursor)
    {
        lock (_changing)
        {
            MakeRoom();
            int ticket = _access.Enter();
            try
            {
                return AllocateAndWrite(offset, count, ref cursor);
            }
            finally
            {
                _access.Leave(ticket);
            }
        }
    }

    /// <summary>Writes tables out before so much waits that others would have to. Under <c>_changing</c> alone.</summary>
    private void MakeRoom()
    {
        bool isFull, isCrowded;
        lock (_gate) (isFull, isCrowded) = (_refcounts.HasManyPending, _cache.IsCrowded);
        if (!isFull && !isCrowded) return;
        lock (_flushing)
        {
            WriteOut(isSafeAtEnd: isFull);
            if (isFull) FreeUnreferenced();
        }
    }

    // The data is written without the lock on the tables: nobody else gives this disk clusters meanwhile, and nobody finds the new ones.
    private ulong AllocateAndWrite(ulong offset, ulong count, ref IoCursor cursor)
    {
        ulong first, got;
        bool isFresh;
        lock (_gate)
        {
            ThrowIfBroken();
            // Somebody else may have been here since the look that found nothing in place.
            ulong need = ClustersToAllocate(offset, Math.Min(count, MostAllocationBytes));
            if (need == 0) return 0;
            WritableL2(offset / _header.L2Coverage);
            first = _refcounts.Allocate(need, all: false, out got, out isFresh);
        }

        ulong bytes = Math.Min(count, (got << _header.ClusterBits) - (offset & ClusterMask));
        try
        {
            FillNew(offset, first, got, bytes, isFresh, ref cursor);
        }
        catch (ImageException)
        {
            lock (_gate) _refcounts.Return(first, got);
            throw;
        }

        lock (_gate)
        {
            // Now that the data is in the file, a barrier before the references makes it safe.
            _refcounts.NoteChange();
            ulong table = WritableL2(offset / _header.L2Coverage);
            for (ulong i = 0; i < got; i++) SetEntry(table, (offset & ~ClusterMask) + (i << _header.ClusterBits), first + i << _header.ClusterBits | Qcow2Bits.Copied);
        }

        return bytes;
    }

    /// <summary>How many clusters from here on, behind one L2 table, have no place that may be written to.</summary>
    private ulong ClustersToAllocate(ulong offset, ulong count)
    {
        ulong coverage = _header.L2Coverage;
        ulong end = offset + Math.Min(count, coverage - offset % coverage);
        ulong clusters = 0;
        for (ulong at = offset; at < end; at = (at & ~ClusterMask) + (ulong)ClusterBytes)
        {
            if (Lookup(at, 1).IsInPlace) break;
            clusters++;
        }

        return clusters;
    }

    // The first and the last cluster keep, beside the new bytes, what the disk showed there.
    private void FillNew(ulong offset, ulong first, ulong clusters, ulong bytes, bool isFresh, ref IoCursor cursor)
    {
        ulong host = first << _header.ClusterBits;
        ulong start = offset & ~ClusterMask;
        ulong end = start + (clusters << _header.ClusterBits);
        CopyOld(start, offset - start, host, isFresh);
        CopyOld(offset + bytes, end - (offset + bytes), host + (offset + bytes - start), isFresh);
        FileTransfer.Write(_file, host + (offset - start), bytes, ref cursor);
    }

    private void CopyOld(ulong offset, ulong count, ulong host, bool isFresh)
    {
        while (count != 0)
        {
            ulong onDisk = offset >= SizeBytes ? 0 : Math.Min(count, SizeBytes - offset);
            Qcow2Run run = onDisk == 0 ? new Qcow2Run(BlockExtentKind.Zero, count, 0, 0, false) : Find(offset, onDisk);
            bool isZero = run.Kind == BlockExtentKind.Zero || (run.Kind == BlockExtentKind.Unallocated && (_backing is null || offset >= _backing.SizeBytes));
            if (isZero && isFresh)
            {
                offset += run.Length;
                host += run.Length;
                count -= run.Length;
                continue;
            }

            byte[] buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(run.Length, (ulong)ClusterBytes));
            Span<byte> piece = buffer.AsSpan(0, (int)Math.Min(run.Length, (ulong)buffer.Length));
            if (isZero) piece.Clear();
            else ReadOld(offset, run, piece);
            _file.Write(host, piece);
            offset += (ulong)piece.Length;
            host += (ulong)piece.Length;
            count -= (ulong)piece.Length;
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private void ReadOld(ulong offset, in Qcow2Run run, Span<byte> piece)
    {
        switch (run.Kind)
        {
            case BlockExtentKind.Data:
                _file.Read(run.HostOffset, piece);
                return;
            case BlockExtentKind.Compressed:
                lock (_codec) Expand(run.Entry).AsSpan((int)(offset & ClusterMask), piece.Length).CopyTo(piece);
                return;
            default:
                FileTransfer.ReadBacking(_backing, offset, piece);
                return;
        }
    }

    private void Unmap(ulong offset, ulong count, bool isDiscard, bool mayUnmap)
    {
        ulong end = offset + count;
        ulong first = (offset + ClusterMask) & ~ClusterMask;
        // The last cluster of the disk is whole, however little of it the disk covers.
        ulong last = end == SizeBytes ? (end + ClusterMask) & ~ClusterMask : end & ~ClusterMask;
        if (first >= last)
        {
            if (!isDiscard) WriteZeros(offset, count);
            return;
        }

        if (!isDiscard) WriteZeros(offset, first - offset);
        for (ulong at = first; at < last;)
        {
            ulong part = Math.Min(last - at, MostAllocationBytes * 8);
            part = Math.Min(part, _header.L2Coverage - at % _header.L2Coverage);
            ulong done = UnmapClusters(at, part, isDiscard, mayUnmap);
            if (done == 0)
            {
                // A version 2 image over a backing one has no other way to say zero.
                done = Math.Min(part, SizeBytes - at);
                if (!isDiscard) WriteZeros(at, done);
                done = part;
            }

            at += done;
        }

        if (!isDiscard && last < end) WriteZeros(last, end - last);
    }

    // 0 when clusters of this image cannot be told to be zero.
    private ulong UnmapClusters(ulong offset, ulong count, bool isDiscard, bool mayUnmap)
    {
        lock (_changing)
        {
            MakeRoom();
            int ticket = _access.Enter();
            try
            {
                lock (_gate) return UnmapLocked(offset, count, isDiscard, mayUnmap);
            }
            finally
            {
                _access.Leave(ticket);
            }
        }
    }

    private ulong UnmapLocked(ulong offset, ulong count, bool isDiscard, bool mayUnmap)
    {
        ThrowIfBroken();
        bool needsFlag = _backing is not null;
        if (needsFlag && _header.Version < 3) return 0;
        ulong l1Index = offset / _header.L2Coverage;
        if (L2TableOf(l1Index) == 0 && !needsFlag) return count;
        ulong table = 0;
        for (ulong at = offset; at < offset + count; at += (ulong)ClusterBytes)
        {
            Qcow2Run run = Lookup(at, 1);
            if (run.Kind == BlockExtentKind.Zero && (run.Entry & Qcow2Bits.OffsetMask) == 0) continue;
            if (run.Kind == BlockExtentKind.Unallocated && (isDiscard || !needsFlag)) continue;
            if (table == 0) table = WritableL2(l1Index);
            ulong entry = needsFlag ? Qcow2Bits.Zero : 0;
            // What must keep its storage keeps its place.
            if (!mayUnmap && run.IsInPlace && _header.Version == 3) SetEntryKeeping(table, at, run.Entry | Qcow2Bits.Zero);
            else SetEntry(table, at, entry);
        }

        return count;
    }

    private void WriteZeros(ulong offset, ulong count)
    {
        while (count != 0)
        {
            int part = (int)Math.Min(count, (ulong)ZeroPiece.Length);
            BlockResult result = this.Write(offset, ZeroPiece.AsSpan(0, part));
            if (result != BlockResult.Ok) throw new ImageException(result, FirstError ?? result.ToString());
            offset += (ulong)part;
            count -= (ulong)part;
        }
    }

    /// <summary>The L2 table for a piece of the disk, made, or made the disk's own, first.</summary>
    private ulong WritableL2(ulong l1Index)
    {
        ulong old = L2TableOf(l1Index);
        if (old != 0 && (_l1[l1Index] & Qcow2Bits.Copied) != 0) return old;
        byte[] content = new byte[ClusterBytes];
        if (old != 0)
        {
            // Through the cache: what changed there may not be in the file yet.
            for (int at = 0; at < content.Length; at += _cache.PageBytes) _cache.Get(old + (ulong)at).Data.CopyTo(content, at);
        }

        ulong cluster = _refcounts.Allocate(1, all: true, out _);
        ulong table = cluster << _header.ClusterBits;
        _cache.Forget(table, (ulong)ClusterBytes);
        _file.Write(table, content);
        _metadata.Add(cluster);
        SetL1(l1Index, table | Qcow2Bits.Copied);
        if (old != 0) _refcounts.FreeLater(old, (ulong)ClusterBytes);
        return table;
    }

    private void SetEntry(ulong table, ulong offset, ulong entry)
    {
        ulong place = EntryPlace(table, offset);
        ulong old = _cache.Read64(place);
        _cache.Write64(place, entry);
        Release(old);
    }

    private void SetEntryKeeping(ulong table, ulong offset, ulong entry) => _cache.Write64(EntryPlace(table, offset), entry);

    private ulong EntryPlace(ulong table, ulong offset) => table + (offset % _header.L2Coverage >> _header.ClusterBits) * 8;

    private void Release(ulong entry)
    {
        if ((entry & Qcow2Bits.Compressed) != 0)
        {
            (ulong place, int bytes) = CompressedPlace(entry);
            _refcounts.FreeLater(place, (ulong)bytes);
            lock (_codec) _expanded = null;
        }
        else if ((entry & Qcow2Bits.OffsetMask) != 0)
        {
            _refcounts.FreeLater(entry & Qcow2Bits.OffsetMask, (ulong)ClusterBytes);
        }
    }

    // Compressed clusters follow each other in shared clusters of the file; each adds one to the count of its cluster.
    private ulong AllocateSectors(uint bytes)
    {
        ulong start = (_sectorEnd + IBlockBackend.SectorBytes - 1) & ~((ulong)IBlockBackend.SectorBytes - 1);
        ulong left = (ulong)ClusterBytes - (start & ClusterMask);
        bool continues = (start & ClusterMask) != 0 && bytes <= left && _refcounts.CanIncrease(start >> _header.ClusterBits);
        if (continues)
        {
            _refcounts.Increase(start >> _header.ClusterBits);
        }
        else
        {
            start = _refcounts.Allocate(1, all: true, out _) << _header.ClusterBits;
        }

        _sectorEnd = start + bytes;
        return start;
    }

    private void SetL1(ulong index, ulong entry)
    {
        _l1[index] = entry;
        _l1DirtyFrom = Math.Min(_l1DirtyFrom, (int)index);
        _l1DirtyTo = Math.Max(_l1DirtyTo, (int)index);
    }

    private void JudgeTarget(ulong hostOffset, ulong count)
    {
        ulong last = hostOffset + count - 1 >> _header.ClusterBits;
        for (ulong cluster = hostOffset >> _header.ClusterBits; cluster <= last; cluster++)
        {
            if (_metadata.Contains(cluster)) throw ImageException.Corrupt($"{Name}: data at 0x{cluster << _header.ClusterBits:x} overlaps a table");
        }
    }
}
