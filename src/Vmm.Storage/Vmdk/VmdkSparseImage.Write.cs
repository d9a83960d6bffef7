using System.Buffers;
using System.Buffers.Binary;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Storage.Sparse;

namespace Vmm.Storage.Vmdk;

/// <summary>Changing the disk's content.</summary>
internal sealed partial class VmdkSparseImage
{
    /// <summary>The most that one allocation takes, so that others get their turn.</summary>
    private const ulong MostAllocationBytes = 8UL << 20;

    protected override ulong Allocate(ulong offset, ulong count, ref IoCursor cursor)
    {
        SparseRun run = Lookup(offset, Math.Min(count, MostAllocationBytes));
        if (run.Kind == BlockExtentKind.Data) return 0;
        ulong table = WritableTable(_header.DirectorySector, offset / _header.TableCoverage);
        ulong copy = _header.HasRedundantTables ? WritableTable(_header.RedundantDirectorySector, offset / _header.TableCoverage) : 0;
        // A run over what has no table yet may go further than this table does.
        ulong bytes = Math.Min(run.Length, _header.TableCoverage - offset % _header.TableCoverage);
        ulong grains = (offset % GrainBytes + bytes + GrainBytes - 1) / GrainBytes;
        ulong place = TakePlace(ref grains);
        bytes = Math.Min(bytes, grains * GrainBytes - offset % GrainBytes);
        FillEdges(offset, bytes, place, grains);
        FileTransfer.Write(File, place + offset % GrainBytes, bytes, ref cursor);
        for (ulong i = 0; i < grains; i++)
        {
            ulong index = offset % _header.TableCoverage / GrainBytes + i;
            SetEntry(table, copy, index, (uint)((place + i * GrainBytes) / SectorBytes));
        }

        return bytes;
    }

    protected override ulong Unmap(in SparseRun run, ulong offset, ulong count, bool isDiscard, bool mayUnmap)
    {
        bool isZero = run.Kind == BlockExtentKind.Zero || Backing is null || offset >= Backing.SizeBytes;
        if (run.Kind != BlockExtentKind.Data && (isDiscard || isZero)) return run.Length;
        bool isWhole = offset % GrainBytes == 0 && (count >= GrainBytes || offset + count == SizeBytes);
        bool canSayZero = Backing is null || _header.HasZeroedGrains;
        if (isWhole && canSayZero && (mayUnmap || run.Kind != BlockExtentKind.Data))
        {
            Drop(offset, run, _header.HasZeroedGrains ? ZeroedGrain : 0);
            return Math.Min(count, GrainBytes);
        }

        if (run.Kind != BlockExtentKind.Data) return 0;
        ulong part = isWhole && mayUnmap ? run.Length : Math.Min(run.Length, GrainBytes - offset % GrainBytes);
        if (!isDiscard) ZeroWriter.Zero(File, run.HostOffset, part, mayUnmap);
        else File.TryPunchHole(run.HostOffset, part);
        return part;
    }

    // Once in a session: a child that was made before must not be shown over this.
    protected override void NoteChange()
    {
        if (Volatile.Read(ref _isChanged)) return;
        lock (Gate)
        {
            if (_isChanged) return;
            _descriptor?.ChangeCid();
            Volatile.Write(ref _isChanged, true);
        }
    }

    // Grains that are written in part keep what showed there. The place reads as zeros already; the file ends behind its last grain.
    private void FillEdges(ulong offset, ulong bytes, ulong place, ulong grains)
    {
        ulong head = offset % GrainBytes;
        ulong end = offset + bytes;
        ulong tail = grains * GrainBytes - head - bytes;
        if (tail != 0) File.Write(place + grains * GrainBytes - SectorBytes, ZeroPiece.AsSpan(0, (int)SectorBytes));
        CopyOld(offset - head, head, place);
        CopyOld(end, tail, place + head + bytes);
    }

    private void CopyOld(ulong offset, ulong count, ulong place)
    {
        while (count != 0 && offset < _sizeBytes)
        {
            // What is replaced is a hole or zeros: grains with content are written in place.
            SparseRun run = Lookup(offset, Math.Min(count, _sizeBytes - offset));
            ulong part = Math.Min(run.Length, (ulong)ZeroPiece.Length);
            if (run.Kind == BlockExtentKind.Unallocated && Backing is not null)
            {
                byte[] buffer = ArrayPool<byte>.Shared.Rent((int)part);
                FileTransfer.ReadBacking(Backing, offset, buffer.AsSpan(0, (int)part));
                File.Write(place, buffer.AsSpan(0, (int)part));
                ArrayPool<byte>.Shared.Return(buffer);
            }

            offset += part;
            place += part;
            count -= part;
        }
    }

    private ulong TakePlace(ref ulong grains)
    {
        if (TryTakeFree(out ulong old))
        {
            grains = 1;
            return old;
        }

        ulong place = (FileEnd + GrainBytes - 1) / GrainBytes * GrainBytes;
        ulong end = place + grains * GrainBytes;
        if (end / SectorBytes > uint.MaxValue) throw new ImageException(BlockResult.NoSpace, $"{Name} has the largest size that a VMDK file can have");
        FileEnd = end;
        return place;
    }

    private ulong WritableTable(ulong directorySector, ulong index)
    {
        ulong table = TableOf(directorySector, index);
        if (table != 0) return table;
        table = (FileEnd + SectorBytes - 1) / SectorBytes * SectorBytes;
        ulong bytes = (_header.EntriesPerTable * sizeof(uint) + SectorBytes - 1) / SectorBytes * SectorBytes;
        ZeroWriter.Write(File, table, bytes);
        Cache.Forget(table, bytes);
        FileEnd = table + bytes;
        Write32(directorySector * SectorBytes + index * sizeof(uint), (uint)(table / SectorBytes));
        return table;
    }

    private void SetEntry(ulong table, ulong copy, ulong index, uint entry)
    {
        Write32(table + index * sizeof(uint), entry);
        if (copy != 0) Write32(copy + index * sizeof(uint), entry);
    }

    private void Write32(ulong offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(ChangedPage(offset), value);

    private void Drop(ulong offset, in SparseRun run, uint entry)
    {
        ulong index = offset / _header.TableCoverage;
        ulong table = WritableTable(_header.DirectorySector, index);
        ulong copy = _header.HasRedundantTables ? WritableTable(_header.RedundantDirectorySector, index) : 0;
        if (run.Kind == BlockExtentKind.Data) FreeLater(run.HostOffset);
        SetEntry(table, copy, offset % _header.TableCoverage / GrainBytes, entry);
    }
}
