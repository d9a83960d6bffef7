using System.Buffers.Binary;
using System.Numerics;
using Vmm.Storage.Sparse;

namespace Vmm.Storage.Vhd;

/// <summary>
/// A VHD disk that grows, alone (dynamic) or over a parent (differencing): blocks, each behind a bitmap of its sectors, found by a table
/// (VHD specification 1.0). This part: opening, where things lie, reading.
/// </summary>
/// <remarks>Order on the disk: data, empty bitmaps and the footer behind them, a barrier, bits and table entries, a barrier, freed blocks.</remarks>
internal sealed partial class VhdSparseImage : SparseImage, IVhdImage
{
    private const uint NoBlock = uint.MaxValue;

    /// <summary>One look-up does not go further over what is not there.</summary>
    private const int MostEmptyBlocks = 4096;

    private VhdFooter _footer;
    private VhdHeader _header;
    private ulong _sizeBytes;

    /// <param name="file">Taken over, also when this throws.</param>
    /// <param name="footer">Found in it.</param>
    /// <param name="header">Read from it.</param>
    /// <param name="backing">Taken over; null for a dynamic disk, or when the caller does not want it.</param>
    /// <param name="mode">What for.</param>
    public VhdSparseImage(IImageFile file, VhdFooter footer, VhdHeader header, IDiskImage? backing, ImageOpenMode mode) : base(file, backing)
    {
        _footer = footer;
        _header = header;
        _sizeBytes = footer.DiskBytes;
        Open(() =>
        {
            if (mode == ImageOpenMode.Use && !file.IsReadOnly) Prepare();
            else FileEnd = file.Length;
        });
    }

    public VhdFooter Footer => _footer;

    public override ImageFormat Format => ImageFormat.Vhd;

    public override ulong SizeBytes => Volatile.Read(ref _sizeBytes);

    private bool IsDifferencing => _footer.DiskType == VhdDiskType.Differencing;

    private ulong BlockBytes => _header.BlockBytes;

    private ulong BitmapBytes => _header.BitmapBytes;

    protected override ulong PlaceBytes => (ulong)_header.BlockBytes + _header.BitmapBytes;

    private uint Blocks => (uint)((_sizeBytes + BlockBytes - 1) / BlockBytes);

    protected override SparseRun Lookup(ulong offset, ulong count)
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

            return new SparseRun(BlockExtentKind.Unallocated, most, 0);
        }

        bool isThere = Sectors(place, inBlock, most, out ulong length);
        return new SparseRun(isThere ? BlockExtentKind.Data : BlockExtentKind.Unallocated, length, place + BitmapBytes + inBlock);
    }

    /// <summary>Where a block with its bitmap lies; 0: nowhere.</summary>
    private ulong PlaceOf(uint block)
    {
        uint entry = Entry(block);
        if (entry == NoBlock) return 0;
        ulong place = entry * SectorBytes;
        if (place < _footer.DataOffset + VhdHeader.Bytes || place + PlaceBytes > FileEnd)
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
}
