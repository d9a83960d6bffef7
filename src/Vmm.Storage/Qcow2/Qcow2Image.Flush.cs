namespace Vmm.Storage.Qcow2;

/// <summary>Getting the tables into the file, in an order that a crash can cut anywhere, while others go on working with them.</summary>
internal sealed partial class Qcow2Image
{
    // Clusters that the file no longer refers to. I/O that began before may still be under way to them.
    private List<(ulong Cluster, ulong Count)> _unreferenced = [];
    private List<(ulong Cluster, ulong Count)> _leaving = [];
    private int _leavingRound;

    protected override void FlushCore()
    {
        lock (_flushing) WriteOut(isSafeAtEnd: true);
    }

    private protected override void SettleTables()
    {
        lock (_flushing) WriteOut(isSafeAtEnd: false);
    }

    protected override void AfterFlush()
    {
        lock (_flushing) FreeUnreferenced();
    }

    /// <summary>Writes all tables as they are now, in order. Nobody waits for it but other flushes.</summary>
    /// <param name="isSafeAtEnd">Wait at the end, too, after which what they no longer refer to can be freed.</param>
    private void WriteOut(bool isSafeAtEnd)
    {
        ulong changes;
        bool needsBarrier;
        List<MetadataCopy> copies;
        Qcow2L1Copy? l1;
        List<(ulong Cluster, ulong Count)> pending;
        lock (_gate)
        {
            changes = _refcounts.Changes;
            copies = [];
            l1 = null;
            pending = [];
            needsBarrier = false;
            if (!_isBroken)
            {
                _cache.WriteDirty(isRefcount: true);
                needsBarrier = _refcounts.WriteTable() || _refcounts.NeedsBarrier;
                copies = _cache.CopyDirtyTables();
                l1 = CopyDirtyL1();
                pending = _refcounts.TakePending();
            }
        }

        try
        {
            if (copies.Count != 0 || l1 is not null) WriteReferences(copies, l1, needsBarrier, changes);
            if (isSafeAtEnd) _file.Flush();
        }
        catch (ImageException)
        {
            lock (_gate) _refcounts.PutBack(pending);
            throw;
        }

        lock (_gate)
        {
            if (isSafeAtEnd)
            {
                _refcounts.NoteBarrier(changes);
                _unreferenced.AddRange(pending);
            }
            else
            {
                _refcounts.PutBack(pending);
            }
        }
    }

    private void WriteReferences(List<MetadataCopy> copies, Qcow2L1Copy? l1, bool needsBarrier, ulong changes)
    {
        if (needsBarrier) _file.Flush();
        lock (_gate)
        {
            // Copies from before it: what they refer to is safe.
            if (needsBarrier) _refcounts.NoteBarrier(changes);
            if (_isBroken) return;
            _cache.WriteCopies(copies);
            if (l1 is not null) WriteL1Copy(l1);
        }
    }

    /// <summary>Frees what nothing refers to and nobody reads or writes any more; the rest comes with a later flush. Under <c>_flushing</c>.</summary>
    private void FreeUnreferenced()
    {
        while (true)
        {
            List<(ulong Cluster, ulong Count)> unused;
            lock (_gate)
            {
                if (_isBroken) return;
                if (_leaving.Count == 0)
                {
                    if (_unreferenced.Count == 0) return;
                    // Whoever enters from now on finds no way to them.
                    (_leaving, _unreferenced) = (_unreferenced, _leaving);
                    _leavingRound = _access.Turn();
                }

                if (!_access.HasEnded(_leavingRound)) return;
                unused = Begin(_leaving);
            }

            _refcounts.Punch(unused);
            lock (_gate) _refcounts.EndFree(unused);
        }
    }

    // What a failure leaves of the list is leaked, which is harmless; freed twice it would not be.
    private List<(ulong Cluster, ulong Count)> Begin(List<(ulong Cluster, ulong Count)> runs)
    {
        List<(ulong Cluster, ulong Count)> taken = [.. runs];
        runs.Clear();
        return _refcounts.BeginFree(taken);
    }

    /// <summary>Everything to the file and safe; then what nothing refers to any more is free. Alone inside, under all locks.</summary>
    private void WriteOutAndFree()
    {
        WriteMetadata();
        _file.Flush();
        _unreferenced.AddRange(_leaving);
        _leaving.Clear();
        _unreferenced.AddRange(_refcounts.TakePending());
        if (_unreferenced.Count == 0) return;
        List<(ulong Cluster, ulong Count)> unused = Begin(_unreferenced);
        _refcounts.Punch(unused);
        _refcounts.EndFree(unused);
    }

    /// <summary>Everything to the file, in order, but not waited for at the end. Under <c>_gate</c>, also where the cache needs room.</summary>
    private void WriteMetadata()
    {
        ulong changes = _refcounts.Changes;
        _cache.WriteDirty(isRefcount: true);
        bool tableWritten = _refcounts.WriteTable();
        bool hasReferences = _cache.HasDirty || _l1DirtyTo >= 0;
        if ((tableWritten || _refcounts.NeedsBarrier) && hasReferences)
        {
            _file.Flush();
            _refcounts.NoteBarrier(changes);
        }

        _cache.WriteDirty(isRefcount: false);
        if (_l1DirtyTo < 0) return;
        TableReader.Write(_file, _header.L1Offset, _l1, _l1DirtyFrom, _l1DirtyTo);
        ForgetDirtyL1();
    }

    private void ForgetDirtyL1()
    {
        _l1DirtyFrom = int.MaxValue;
        _l1DirtyTo = -1;
        _l1Outdated++;
    }

    // Whole sectors, as they are written.
    private Qcow2L1Copy? CopyDirtyL1()
    {
        if (_l1DirtyTo < 0) return null;
        int from = _l1DirtyFrom - _l1DirtyFrom % TableReader.SectorEntries;
        int end = Math.Min(_l1.Length, _l1DirtyTo - _l1DirtyTo % TableReader.SectorEntries + TableReader.SectorEntries);
        return new Qcow2L1Copy(from, _l1[from..end], _l1Outdated);
    }

    private void WriteL1Copy(Qcow2L1Copy copy)
    {
        if (copy.Outdated != _l1Outdated) return;
        int to = copy.From + copy.Entries.Length - 1;
        TableReader.Write(_file, _header.L1Offset + (ulong)copy.From * 8, copy.Entries, 0, copy.Entries.Length - 1);
        (int from, int last) = (_l1DirtyFrom, _l1DirtyTo);
        (_l1DirtyFrom, _l1DirtyTo) = (int.MaxValue, -1);
        for (int i = from; i <= last; i++)
        {
            if (i < copy.From || i > to || _l1[i] != copy.Entries[i - copy.From]) SetL1((ulong)i, _l1[i]);
        }
    }

    private void Close()
    {
        lock (_flushing)
        {
            lock (_gate)
            {
                WriteOutAndFree();
                _cache.WriteDirty(isRefcount: true);
            }
        }
    }
}
