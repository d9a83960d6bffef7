namespace Vmm.Storage.Qcow2;

/// <summary>Getting the tables into the file, in an order that a crash can cut anywhere.</summary>
internal sealed partial class Qcow2Image
{
    protected override void FlushCore()
    {
        _access.EnterWriteLock();
        try
        {
            lock (_gate)
            {
                if (!_isBroken)
                {
                    WriteOutAndFree();
                    return;
                }
            }

            _file.Flush();
        }
        finally
        {
            _access.ExitWriteLock();
        }
    }

    /// <summary>Everything to the file and safe; then what nothing refers to any more is free.</summary>
    private void WriteOutAndFree()
    {
        WriteMetadata();
        _file.Flush();
        if (_refcounts.HasPending) _refcounts.ApplyFrees();
    }

    /// <summary>Everything to the file, in order, but not waited for at the end.</summary>
    private void WriteMetadata()
    {
        _cache.WriteDirty(isRefcount: true);
        bool tableWritten = _refcounts.WriteTable();
        bool hasReferences = _cache.HasDirty || _l1DirtyTo >= 0;
        if ((tableWritten || _refcounts.NeedsBarrier) && hasReferences)
        {
            _file.Flush();
            _refcounts.NeedsBarrier = false;
        }

        _cache.WriteDirty(isRefcount: false);
        if (_l1DirtyTo < 0) return;
        TableReader.Write(_file, _header.L1Offset, _l1, _l1DirtyFrom, _l1DirtyTo);
        _l1DirtyFrom = int.MaxValue;
        _l1DirtyTo = -1;
    }

    private void Close()
    {
        lock (_gate)
        {
            WriteOutAndFree();
            _cache.WriteDirty(isRefcount: true);
        }
    }
}
