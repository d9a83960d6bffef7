using Vmm.Core.Backends;
using Vmm.Core.Memory;

namespace Vmm.Storage.Sparse;

/// <summary>Changing the disk's content, and getting the tables into the file in an order that a crash can cut anywhere.</summary>
internal abstract partial class SparseImage
{
    protected static readonly byte[] ZeroPiece = new byte[64 * 1024];

    // More are leaked until the image is checked.
    private const int MostFree = 65536;

    // Places without a unit: reusable once no table in the file refers to them. Ready ones read as zeros if the flag says so.
    private readonly List<ulong> _pendingFree = [];

    /// <summary>Places of units that nothing refers to, and whether they read as zeros.</summary>
    protected Stack<(ulong Place, bool IsZero)> Free { get; } = new();

    /// <summary>Bytes of a unit in the file, with all that belongs to it.</summary>
    protected abstract ulong PlaceBytes { get; }

    /// <summary>Hears of every change before it is made.</summary>
    protected virtual void NoteChange()
    {
    }

    /// <summary>Writes bytes to where nothing lies yet, as far as one piece goes. Alone, under <see cref="Gate"/>.</summary>
    /// <returns>Bytes; 0 when they have a place by now.</returns>
    protected abstract ulong Allocate(ulong offset, ulong count, ref IoCursor cursor);

    /// <summary>Discards or zeroes as much as one piece goes. Alone, under <see cref="Gate"/>.</summary>
    /// <returns>Bytes; 0 when zeros must be written.</returns>
    protected abstract ulong Unmap(in SparseRun run, ulong offset, ulong count, bool isDiscard, bool mayUnmap);

    protected override void WriteCore(ulong offset, ReadOnlySpan<IoVec> vectors, ulong count)
    {
        NoteChange();
        IoCursor cursor = new(vectors);
        while (count != 0)
        {
            ulong done = WriteInPlace(offset, count, ref cursor);
            if (done == 0) done = WriteAllocating(offset, count, ref cursor);
            offset += done;
            count -= done;
        }
    }

    protected override void DiscardCore(ulong offset, ulong count) => UnmapAll(offset, count, isDiscard: true, mayUnmap: true);

    protected override void WriteZeroesCore(ulong offset, ulong count, bool mayUnmap) => UnmapAll(offset, count, isDiscard: false, mayUnmap);

    protected override void FlushCore()
    {
        _access.EnterWriteLock();
        try
        {
            lock (Gate)
            {
                if (!IsBroken) WriteTables();
                File.Flush();
                if (!IsBroken) FreePending();
            }
        }
        finally
        {
            _access.ExitWriteLock();
        }
    }

    /// <summary>Does something while nobody reads or writes, under <see cref="Gate"/>.</summary>
    protected void Alone(Action work)
    {
        _access.EnterWriteLock();
        try
        {
            lock (Gate)
            {
                ThrowIfBroken();
                work();
            }
        }
        finally
        {
            _access.ExitWriteLock();
        }
    }

    /// <summary>Writes the tables, after all that they speak of.</summary>
    protected void WriteTables()
    {
        if (!Cache.HasDirty) return;
        File.Flush();
        Cache.WriteDirty(isRefcount: false);
    }

    private protected override void SettleTables()
    {
        lock (Gate)
        {
            if (!IsBroken) WriteTables();
        }
    }

    /// <summary>The last work before the file is closed.</summary>
    protected virtual void Close()
    {
        lock (Gate)
        {
            WriteTables();
            File.Flush();
            FreePending();
        }
    }

    /// <summary>A place that no table refers to any more, once that is safe.</summary>
    protected void FreeLater(ulong place)
    {
        if (_pendingFree.Count < MostFree) _pendingFree.Add(place);
    }

    /// <summary>A place that is free again, zeroed.</summary>
    protected bool TryTakeFree(out ulong place)
    {
        bool isThere = Free.TryPop(out (ulong Place, bool IsZero) old);
        place = old.Place;
        if (isThere && !old.IsZero) ZeroWriter.Write(File, place, PlaceBytes);
        return isThere;
    }

    private void FreePending()
    {
        foreach (ulong place in _pendingFree)
        {
            bool isZero = File.TryPunchHole(place, PlaceBytes);
            if (Free.Count < MostFree) Free.Push((place, isZero));
        }

        _pendingFree.Clear();
    }

    private ulong WriteInPlace(ulong offset, ulong count, ref IoCursor cursor)
    {
        _access.EnterReadLock();
        try
        {
            SparseRun run;
            lock (Gate)
            {
                ThrowIfBroken();
                run = Lookup(offset, count);
            }

            if (run.Kind != BlockExtentKind.Data) return 0;
            FileTransfer.Write(File, run.HostOffset, run.Length, ref cursor);
            return run.Length;
        }
        finally
        {
            _access.ExitReadLock();
        }
    }

    private ulong WriteAllocating(ulong offset, ulong count, ref IoCursor cursor)
    {
        _access.EnterWriteLock();
        try
        {
            lock (Gate)
            {
                ThrowIfBroken();
                return Allocate(offset, count, ref cursor);
            }
        }
        finally
        {
            _access.ExitWriteLock();
        }
    }

    private void UnmapAll(ulong offset, ulong count, bool isDiscard, bool mayUnmap)
    {
        NoteChange();
        while (count != 0)
        {
            ulong done = UnmapPiece(offset, count, isDiscard, mayUnmap);
            if (done == 0)
            {
                // Zeros over a parent's content are data like any other.
                done = Math.Min(count, (ulong)ZeroPiece.Length);
                BlockResult result = this.Write(offset, ZeroPiece.AsSpan(0, (int)done));
                if (result != BlockResult.Ok) throw new ImageException(result, FirstError ?? result.ToString());
            }

            offset += done;
            count -= done;
        }
    }

    private ulong UnmapPiece(ulong offset, ulong count, bool isDiscard, bool mayUnmap)
    {
        _access.EnterWriteLock();
        try
        {
            lock (Gate)
            {
                ThrowIfBroken();
                return Unmap(Lookup(offset, count), offset, count, isDiscard, mayUnmap);
            }
        }
        finally
        {
            _access.ExitWriteLock();
        }
    }
}
