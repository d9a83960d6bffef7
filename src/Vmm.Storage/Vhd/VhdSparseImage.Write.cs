using System.Buffers.Binary;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Storage.Sparse;

namespace Vmm.Storage.Vhd;

/// <summary>Changing the disk's content.</summary>
internal sealed partial class VhdSparseImage
{
    private const ulong DataAlignment = 4096;

    protected override ulong Allocate(ulong offset, ulong count, ref IoCursor cursor)
    {
        uint block = (uint)(offset / BlockBytes);
        if (PlaceOf(block) == 0) PlaceBlock(block);
        SparseRun run = Lookup(offset, Math.Min(count, BlockBytes - offset % BlockBytes));
        // A dynamic disk's new block is all there, as other readers expect it.
        if (run.Kind != BlockExtentKind.Data) FillEdges(offset, run);
        FileTransfer.Write(File, run.HostOffset, run.Length, ref cursor);
        if (run.Kind != BlockExtentKind.Data) SetBits(PlaceOf(block), offset % BlockBytes, run.Length);
        return run.Length;
    }

    protected override ulong Unmap(in SparseRun run, ulong offset, ulong count, bool isDiscard, bool mayUnmap)
    {
        if (run.Kind == BlockExtentKind.Unallocated)
        {
            bool isZero = Backing is null || offset >= Backing.SizeBytes;
            return isDiscard || isZero ? run.Length : 0;
        }

        uint block = (uint)(offset / BlockBytes);
        bool isWhole = offset % BlockBytes == 0 && (count >= BlockBytes || offset + count == SizeBytes);
        if (isWhole && mayUnmap && !IsDifferencing)
        {
            FreeLater(PlaceOf(block));
            SetEntry(block, NoBlock);
            return Math.Min(count, BlockBytes);
        }

        if (!isDiscard) ZeroWriter.Zero(File, run.HostOffset, run.Length, mayUnmap);
        else File.TryPunchHole(run.HostOffset, run.Length);
        return run.Length;
    }

    // Sectors that are written in part keep what showed there.
    private void FillEdges(ulong offset, in SparseRun run)
    {
        ulong head = offset % SectorBytes;
        ulong end = offset + run.Length;
        ulong tail = (SectorBytes - end % SectorBytes) % SectorBytes;
        Span<byte> old = stackalloc byte[(int)SectorBytes];
        if (head != 0)
        {
            FileTransfer.ReadBacking(Backing, offset - head, old[..(int)head]);
            File.Write(run.HostOffset - head, old[..(int)head]);
        }

        if (tail == 0) return;
        FileTransfer.ReadBacking(Backing, end, old[..(int)tail]);
        File.Write(run.HostOffset + run.Length, old[..(int)tail]);
    }

    private void SetBits(ulong place, ulong inBlock, ulong count)
    {
        ulong last = (inBlock + count - 1) / SectorBytes;
        for (ulong sector = inBlock / SectorBytes; sector <= last; sector++) ChangedPage(place + sector / 8)[0] |= (byte)(0x80 >> (int)(sector % 8));
    }

    /// <summary>Gives a block a place. Its bytes there are zeros.</summary>
    private void PlaceBlock(uint block)
    {
        ulong place = TakePlace();
        byte[] bitmap = new byte[BitmapBytes];
        if (!IsDifferencing) bitmap.AsSpan().Fill(0xff);
        File.Write(place, bitmap);
        Cache.Forget(place, BitmapBytes);
        SetEntry(block, (uint)(place / SectorBytes));
    }

    private ulong TakePlace()
    {
        if (TryTakeFree(out ulong old)) return old;
        ulong place = (FileEnd + BitmapBytes + DataAlignment - 1) / DataAlignment * DataAlignment - BitmapBytes;
        ulong end = place + PlaceBytes;
        if (place / SectorBytes >= NoBlock) throw new ImageException(BlockResult.NoSpace, $"{Name} has the largest size that a VHD file can have");
        // The file grows by this, and what is new reads as zeros.
        File.Write(end, _footer.Content);
        // The old footer lies where the bitmap or nothing comes.
        FileEnd = end;
        return place;
    }

    private void SetEntry(uint block, uint entry) => BinaryPrimitives.WriteUInt32BigEndian(ChangedPage(_header.TableOffset + (ulong)block * sizeof(uint)), entry);
}
