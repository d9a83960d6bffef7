using System.Buffers.Binary;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Storage.Qcow2;

namespace Vmm.Storage.Vhd;

/// <summary>Changing the disk's content.</summary>
internal sealed partial class VhdSparseImage
{
    private const ulong DataAlignment = 4096;

    private static readonly byte[] ZeroPiece = new byte[64 * 1024];

    // Places without a block: reusable once no table in the file refers to them. Ready ones read as zeros if the flag says so.
    private readonly List<ulong> _pendingFree = [];
    private readonly Stack<(ulong Place, bool IsZero)> _free = new();

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

    private ulong WriteInPlace(ulong offset, ulong count, ref IoCursor cursor)
    {
        _access.EnterReadLock();
        try
        {
            VhdRun run;
            lock (_gate)
            {
                ThrowIfBroken();
                run = Lookup(offset, count);
            }

            if (run.Kind != BlockExtentKind.Data) return 0;
            FileTransfer.Write(_file, run.HostOffset, run.Length, ref cursor);
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
            lock (_gate)
            {
                ThrowIfBroken();
                uint block = (uint)(offset / BlockBytes);
                if (PlaceOf(block) == 0) Allocate(block);
                VhdRun run = Lookup(offset, Math.Min(count, BlockBytes - offset % BlockBytes));
                // A dynamic disk's new block is all there, as other readers expect it.
                if (run.Kind != BlockExtentKind.Data) FillEdges(offset, run);
                FileTransfer.Write(_file, run.HostOffset, run.Length, ref cursor);
                if (run.Kind != BlockExtentKind.Data) SetBits(PlaceOf(block), offset % BlockBytes, run.Length);
                return run.Length;
            }
        }
        finally
        {
            _access.ExitWriteLock();
        }
    }

    // Sectors that are written in part keep what showed there.
    private void FillEdges(ulong offset, in VhdRun run)
    {
        ulong head = offset % SectorBytes;
        ulong end = offset + run.Length;
        ulong tail = (SectorBytes - end % SectorBytes) % SectorBytes;
        Span<byte> old = stackalloc byte[(int)SectorBytes];
        if (head != 0)
        {
            FileTransfer.ReadBacking(_backing, offset - head, old[..(int)head]);
            _file.Write(run.HostOffset - head, old[..(int)head]);
        }

        if (tail == 0) return;
        FileTransfer.ReadBacking(_backing, end, old[..(int)tail]);
        _file.Write(run.HostOffset + run.Length, old[..(int)tail]);
    }

    private void SetBits(ulong place, ulong inBlock, ulong count)
    {
        ulong last = (inBlock + count - 1) / SectorBytes;
        for (ulong sector = inBlock / SectorBytes; sector <= last; sector++)
        {
            MetadataPage page = _cache.Get(place + sector / 8);
            page.Data[(int)((place + sector / 8) % PageBytes)] |= (byte)(0x80 >> (int)(sector % 8));
            _cache.MarkDirty(page, isRefcount: false);
        }
    }

    /// <summary>Gives a block a place. Its bytes there are zeros.</summary>
    private void Allocate(uint block)
    {
        ulong place = TakePlace();
        byte[] bitmap = new byte[BitmapBytes];
        if (!IsDifferencing) bitmap.AsSpan().Fill(0xff);
        _file.Write(place, bitmap);
        _cache.Forget(place, BitmapBytes);
        SetEntry(block, (uint)(place / SectorBytes));
    }

    private ulong TakePlace()
    {
        if (_free.TryPop(out (ulong Place, bool IsZero) old))
        {
            if (!old.IsZero) ZeroWriter.Write(_file, old.Place, PlaceBytes);
            return old.Place;
        }

        ulong place = (_end + BitmapBytes + DataAlignment - 1) / DataAlignment * DataAlignment - BitmapBytes;
        ulong end = place + PlaceBytes;
        if (place / SectorBytes >= NoBlock) throw new ImageException(BlockResult.NoSpace, $"{Name} has the largest size that a VHD file can have");
        // The file grows by this, and what is new reads as zeros.
        _file.Write(end, _footer.Content);
        // The old footer lies where the bitmap or nothing comes.
        _end = end;
        return place;
    }

    private void SetEntry(uint block, uint entry)
    {
        ulong place = _header.TableOffset + (ulong)block * sizeof(uint);
        MetadataPage page = _cache.Get(place);
        BinaryPrimitives.WriteUInt32BigEndian(page.Data.AsSpan((int)(place % PageBytes)), entry);
        _cache.MarkDirty(page, isRefcount: false);
    }

    private void Unmap(ulong offset, ulong count, bool isDiscard, bool mayUnmap)
    {
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

    // 0 when there is no other way than to write zeros.
    private ulong UnmapPiece(ulong offset, ulong count, bool isDiscard, bool mayUnmap)
    {
        _access.EnterWriteLock();
        try
        {
            lock (_gate)
            {
                ThrowIfBroken();
                VhdRun run = Lookup(offset, count);
                if (run.Kind == BlockExtentKind.Unallocated)
                {
                    bool isZero = _backing is null || offset >= _backing.SizeBytes;
                    return isDiscard || isZero ? run.Length : 0;
                }

                uint block = (uint)(offset / BlockBytes);
                bool isWhole = offset % BlockBytes == 0 && (count >= BlockBytes || offset + count == SizeBytes);
                if (isWhole && mayUnmap && !IsDifferencing)
                {
                    _pendingFree.Add(PlaceOf(block));
                    SetEntry(block, NoBlock);
                    return Math.Min(count, BlockBytes);
                }

                if (!isDiscard) ZeroWriter.Zero(_file, run.HostOffset, run.Length, mayUnmap);
                else _file.TryPunchHole(run.HostOffset, run.Length);
                return run.Length;
            }
        }
        finally
        {
            _access.ExitWriteLock();
        }
    }

    private void ThrowIfBroken()
    {
        if (_isBroken) throw ImageException.Corrupt($"{Name} is corrupt and takes no changes");
    }
}
