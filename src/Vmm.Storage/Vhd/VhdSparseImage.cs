using System.Buffers.Binary;
using System.Numerics;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Storage.Qcow2;

namespace Vmm.Storage.Vhd;

/// <summary>
/// A VHD disk that grows, alone (dynamic) or over a parent (differencing): blocks, each behind a bitmap of its sectors, found by a table
/// (VHD specification 1.0). This part: opening, where things lie, reading.
/// </summary>
/// <remarks>
/// Lock order: <c>_access</c>, then <c>_gate</c>. Readers, and writers to sectors that are there, share <c>_access</c> for as long as
/// they do I/O; whoever changes what is there holds it alone. <c>_gate</c> guards the tables in memory.
/// Order on the disk: data, empty bitmaps and the footer behind them, a barrier, bits and table entries, a barrier, freed blocks.
/// </remarks>
internal sealed partial class VhdSparseImage : DiskImageBase, IVhdImage
{
    private const uint NoBlock = uint.MaxValue;
    private const ulong SectorBytes = IBlockBackend.SectorBytes;
    private const int PageBytes = 512;
    private const int CachePages = 4096;
    private const int Batch = 64;

    /// <summary>One look-up does not go further over what is not there.</summary>
    private const int MostEmptyBlocks = 4096;

    private readonly IImageFile _file;
    private readonly IDiskImage? _backing;
    private readonly ReaderWriterLockSlim _access = new();
    private readonly Lock _gate = new();
    private readonly MetadataCache _cache;
    private VhdFooter _footer;
    private VhdHeader _header;
    private ulong _sizeBytes;
    private ulong _end;
    private bool _isBroken;
    private bool _disposed;

    /// <param name="file">Taken over, also when this throws.</param>
    /// <param name="footer">Found in it.</param>
    /// <param name="header">Read from it.</param>
    /// <param name="backing">Taken over; null for a dynamic disk, or when the caller does not want it.</param>
    /// <param name="mode">What for.</param>
    public VhdSparseImage(IImageFile file, VhdFooter footer, VhdHeader header, IDiskImage? backing, ImageOpenMode mode)
    {
        _file = file;
        _footer = footer;
        _header = header;
        _backing = backing;
        _sizeBytes = footer.DiskBytes;
        _cache = new MetadataCache(file, PageBytes, CachePages, WriteTables);
        try
        {
            if (mode == ImageOpenMode.Use && !file.IsReadOnly) Prepare();
            else _end = file.Length;
        }
        catch
        {
            file.Dispose();
            backing?.Dispose();
            throw;
        }
    }

    public VhdFooter Footer => _footer;

    public override ImageFormat Format => ImageFormat.Vhd;

    public override string Name => _file.Name;

    public override ulong SizeBytes => Volatile.Read(ref _sizeBytes);

    public override bool IsReadOnly => _file.IsReadOnly;

    public override ulong AllocatedBytes => _file.AllocatedBytes;

    public override IDiskImage? Backing => _backing;

    private bool IsDifferencing => _footer.DiskType == VhdDiskType.Differencing;

    private ulong BlockBytes => _header.BlockBytes;

    private ulong BitmapBytes => _header.BitmapBytes;

    private ulong PlaceBytes => (ulong)_header.BlockBytes + _header.BitmapBytes;

    private uint Blocks => (uint)((_sizeBytes + BlockBytes - 1) / BlockBytes);

    public override BlockExtent Map(ulong offset, ulong count)
    {
        lock (_gate)
        {
            VhdRun run = Lookup(offset, count);
            return new BlockExtent(run.Kind, run.Length, run.Kind == BlockExtentKind.Data ? run.HostOffset : null);
        }
    }

    protected override void ReadCore(ulong offset, ReadOnlySpan<IoVec> vectors, ulong count)
    {
        _access.EnterReadLock();
        try
        {
            IoCursor cursor = new(vectors);
            while (count != 0)
            {
                VhdRun run;
                lock (_gate) run = Lookup(offset, count);
                if (run.Kind == BlockExtentKind.Data) FileTransfer.Read(_file, run.HostOffset, run.Length, ref cursor);
                else FileTransfer.ReadBacking(_backing, offset, run.Length, ref cursor);
                offset += run.Length;
                count -= run.Length;
            }
        }
        finally
        {
            _access.ExitReadLock();
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (_disposed) return;
        _disposed = true;
        try
        {
            if (!IsReadOnly && !_isBroken) Close();
        }
        catch (ImageException)
        {
            // The owner has flushed what must not be lost.
        }
        finally
        {
            _file.Dispose();
            _backing?.Dispose();
            _access.Dispose();
        }
    }

    protected override void OnFailure(ImageException e)
    {
        if (e.Result == BlockResult.Corrupt) _isBroken = true;
    }

    /// <summary>What stands behind a range, as far as it is kept in one way and side by side.</summary>
    private VhdRun Lookup(ulong offset, ulong count)
    {
        uint block = (uint)(offset / BlockBytes);
        ulong inBlock = offset % BlockBytes;
        ulong place = PlaceOf(block);
        ulong most = Math.Min(count, BlockBytes - inBlock);
        if (place == 0)
        {
            for (int i = 0; i < MostEmptyBlocks && most < count && Entry(block + 1) == NoBlock; i++)
            {
                block++;
                most = Math.Min(count, most + BlockBytes);
            }

            return new VhdRun(BlockExtentKind.Unallocated, most, 0);
        }

        bool isThere = Sectors(place, inBlock, most, out ulong length);
        return new VhdRun(isThere ? BlockExtentKind.Data : BlockExtentKind.Unallocated, length, place + BitmapBytes + inBlock);
    }

    /// <summary>Where a block with its bitmap lies; 0: nowhere.</summary>
    private ulong PlaceOf(uint block)
    {
        uint entry = Entry(block);
        if (entry == NoBlock) return 0;
        ulong place = entry * SectorBytes;
        if (place < _footer.DataOffset + VhdHeader.Bytes || place + PlaceBytes > _end)
            throw ImageException.Corrupt($"{Name}: block {block} lies at 0x{place:x}, where none can be");
        return place;
    }

    private uint Entry(uint block) => BinaryPrimitives.ReadUInt32BigEndian(Page(_header.TableOffset + (ulong)block * sizeof(uint)));

    /// <summary>Whether a sector is in the block, and how far that goes on.</summary>
    private bool Sectors(ulong place, ulong inBlock, ulong most, out ulong length)
    {
        ulong first = inBlock / SectorBytes;
        ulong last = (inBlock + most - 1) / SectorBytes;
        bool isThere = Bit(place, first);
        ulong sector = first + 1;
        while (sector <= last)
        {
            // Eight bytes of the bitmap at a time; the first sector's bit is the highest of its byte.
            ulong bits = BinaryPrimitives.ReadUInt64BigEndian(Page(place + sector / 64 * 8));
            ulong other = (isThere ? ~bits : bits) << (int)(sector % 64);
            if (other == 0)
            {
                sector += 64 - sector % 64;
                continue;
            }

            sector += (ulong)BitOperations.LeadingZeroCount(other);
            break;
        }

        length = Math.Min(most, sector * SectorBytes - inBlock);
        return isThere;
    }

    private bool Bit(ulong place, ulong sector) => (Page(place + sector / 8)[0] & (0x80 >> (int)(sector % 8))) != 0;

    private ReadOnlySpan<byte> Page(ulong offset) => _cache.Get(offset).Data.AsSpan((int)(offset % PageBytes));
}
