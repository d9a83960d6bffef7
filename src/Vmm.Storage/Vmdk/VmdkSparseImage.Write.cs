using System.Buffers;
using System.Buffers.Binary;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Storage.Qcow2;

namespace Vmm.Storage.Vmdk;

/// <summary>Changing the disk's content.</summary>
internal sealed partial class VmdkSparseImage
{
    private const int MostFree = 65536;

    /// <summary>The most that one allocation takes, so that others get their turn.</summary>
    private const ulong MostAllocationBytes = 8UL << 20;

    private static readonly byte[] ZeroPiece = new byte[64 * 1024];

    // Places without a grain: reusable once no table in the file refers to them. Ready ones read as zeros if the flag says so.
    private readonly List<ulong> _pendingFree = [];
    private readonly Stack<(ulong Place, bool IsZero)> _free = new();

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

    protected override void DiscardCore(ulong offset, ulong count)
    {
        NoteChange();
        Unmap(offset, count, isDiscard: true, mayUnmap: true);
    }

    protected override void WriteZeroesCore(ulong offset, ulong count, bool mayUnmap)
    {
        NoteChange();
        Unmap(offset, count, isDiscard: false, mayUnmap);
    }

    private ulong WriteInPlace(ulong offset, ulong count, ref IoCursor cursor)
    {
        _access.EnterReadLock();
        try
        {
            VmdkRun run;
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
                VmdkRun run = Lookup(offset, Math.Min(count, MostAllocationBytes));
                if (run.Kind == BlockExtentKind.Data) return 0;
                ulong table = WritableTable(_header.DirectorySector, offset / _header.TableCoverage);
                ulong copy = _header.HasRedundantTables ? WritableTable(_header.RedundantDirectorySector, offset / _header.TableCoverage) : 0;
                // A run over what has no table yet may go further than this table does.
                ulong bytes = Math.Min(run.Length, _header.TableCoverage - offset % _header.TableCoverage);
                ulong grains = (offset % GrainBytes + bytes + GrainBytes - 1) / GrainBytes;
                ulong place = TakePlace(ref grains);
                bytes = Math.Min(bytes, grains * GrainBytes - offset % GrainBytes);
                FillEdges(offset, bytes, place, grains);
                FileTransfer.Write(_file, place + offset % GrainBytes, bytes, ref cursor);
                for (ulong i = 0; i < grains; i++)
                {
                    ulong index = offset % _header.TableCoverage / GrainBytes + i;
                    SetEntry(table, copy, index, (uint)((place + i * GrainBytes) / SectorBytes));
                }

                return bytes;
            }
        }
        finally
        {
            _access.ExitWriteLock();
        }
    }

    // Grains that are written in part keep what showed there. The place reads as zeros already; the file ends behind its last grain.
    private void FillEdges(ulong offset, ulong bytes, ulong place, ulong grains)
    {
        ulong head = offset % GrainBytes;
        ulong end = offset + bytes;
        ulong tail = grains * GrainBytes - head - bytes;
        if (tail != 0) _file.Write(place + grains * GrainBytes - SectorBytes, ZeroPiece.AsSpan(0, (int)SectorBytes));
        CopyOld(offset - head, head, place);
        CopyOld(end, tail, place + head + bytes);
    }

    private void CopyOld(ulong offset, ulong count, ulong place)
    {
        while (count != 0 && offset < _sizeBytes)
        {
            // What is replaced is a hole or zeros: grains with content are written in place.
            VmdkRun run = Lookup(offset, Math.Min(count, _sizeBytes - offset));
            ulong part = Math.Min(run.Length, (ulong)ZeroPiece.Length);
            if (run.Kind == BlockExtentKind.Unallocated && _backing is not null)
            {
                byte[] buffer = ArrayPool<byte>.Shared.Rent((int)part);
                FileTransfer.ReadBacking(_backing, offset, buffer.AsSpan(0, (int)part));
                _file.Write(place, buffer.AsSpan(0, (int)part));
                ArrayPool<byte>.Shared.Return(buffer);
            }

            offset += part;
            place += part;
            count -= part;
        }
    }

    private ulong TakePlace(ref ulong grains)
    {
        if (_free.TryPop(out (ulong Place, bool IsZero) old))
        {
            grains = 1;
            if (!old.IsZero) ZeroWriter.Write(_file, old.Place, GrainBytes);
            return old.Place;
        }

        ulong place = (_end + GrainBytes - 1) / GrainBytes * GrainBytes;
        ulong end = place + grains * GrainBytes;
        if (end / SectorBytes > uint.MaxValue) throw new ImageException(BlockResult.NoSpace, $"{Name} has the largest size that a VMDK file can have");
        _end = end;
        return place;
    }

    private ulong WritableTable(ulong directorySector, ulong index)
    {
        ulong table = TableOf(directorySector, index);
        if (table != 0) return table;
        table = (_end + SectorBytes - 1) / SectorBytes * SectorBytes;
        ulong bytes = (_header.EntriesPerTable * sizeof(uint) + SectorBytes - 1) / SectorBytes * SectorBytes;
        ZeroWriter.Write(_file, table, bytes);
        _cache.Forget(table, bytes);
        _end = table + bytes;
        Write32(directorySector * SectorBytes + index * sizeof(uint), (uint)(table / SectorBytes));
        return table;
    }

    private void SetEntry(ulong table, ulong copy, ulong index, uint entry)
    {
        Write32(table + index * sizeof(uint), entry);
        if (copy != 0) Write32(copy + index * sizeof(uint), entry);
    }

    private void Write32(ulong offset, uint value)
    {
        MetadataPage page = _cache.Get(offset);
        BinaryPrimitives.WriteUInt32LittleEndian(page.Data.AsSpan((int)(offset % PageBytes)), value);
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
                VmdkRun run = Lookup(offset, count);
                bool isZero = run.Kind == BlockExtentKind.Zero || _backing is null || offset >= _backing.SizeBytes;
                if (run.Kind != BlockExtentKind.Data && (isDiscard || isZero)) return run.Length;
                bool isWhole = offset % GrainBytes == 0 && (count >= GrainBytes || offset + count == SizeBytes);
                bool canSayZero = _backing is null || _header.HasZeroedGrains;
                if (isWhole && canSayZero && (mayUnmap || run.Kind != BlockExtentKind.Data))
                {
                    Drop(offset, run, _header.HasZeroedGrains ? ZeroedGrain : 0);
                    return Math.Min(count, GrainBytes);
                }

                if (run.Kind != BlockExtentKind.Data) return 0;
                ulong part = isWhole && mayUnmap ? run.Length : Math.Min(run.Length, GrainBytes - offset % GrainBytes);
                if (!isDiscard) ZeroWriter.Zero(_file, run.HostOffset, part, mayUnmap);
                else _file.TryPunchHole(run.HostOffset, part);
                return part;
            }
        }
        finally
        {
            _access.ExitWriteLock();
        }
    }

    private void Drop(ulong offset, in VmdkRun run, uint entry)
    {
        ulong index = offset / _header.TableCoverage;
        ulong table = WritableTable(_header.DirectorySector, index);
        ulong copy = _header.HasRedundantTables ? WritableTable(_header.RedundantDirectorySector, index) : 0;
        if (run.Kind == BlockExtentKind.Data && _pendingFree.Count < MostFree) _pendingFree.Add(run.HostOffset);
        SetEntry(table, copy, offset % _header.TableCoverage / GrainBytes, entry);
    }

    // Once in a session: a child that was made before must not be shown over this.
    private void NoteChange()
    {
        if (Volatile.Read(ref _isChanged)) return;
        lock (_gate)
        {
            if (_isChanged) return;
            _descriptor?.ChangeCid();
            Volatile.Write(ref _isChanged, true);
        }
    }

    private void ThrowIfBroken()
    {
        if (_isBroken) throw ImageException.Corrupt($"{Name} is corrupt and takes no changes");
    }
}
