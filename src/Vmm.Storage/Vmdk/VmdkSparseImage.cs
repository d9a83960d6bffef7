using System.Buffers.Binary;
using System.IO.Compression;
using Vmm.Core.Memory;
using Vmm.Storage.Sparse;

namespace Vmm.Storage.Vmdk;

/// <summary>
/// A disk, or a piece of one, in VMware's sparse format: grains found by tables in two levels, plain or compressed (VMDK specification
/// 5.0, "Hosted Sparse Extents" and "Stream-Optimized Compressed Sparse Extents"). This part: opening, where things lie, reading.
/// </summary>
internal sealed partial class VmdkSparseImage : SparseImage, IVmdkImage
{
    private const uint ZeroedGrain = 1;
    private const int MarkerBytes = 12;

    /// <summary>One look-up does not go further over what is not there.</summary>
    private const int MostEmptyTables = 4096;

    private VmdkHeader _header;
    private readonly VmdkDescriptor? _descriptor;
    private readonly Lock _codec = new();
    private ulong _sizeBytes;
    private bool _isChanged;
    private byte[]? _expanded;
    private ulong _expandedPlace;

    /// <param name="file">Taken over, also when this throws.</param>
    /// <param name="header">Read from it.</param>
    /// <param name="descriptor">Read from it; null for an extent that another file describes.</param>
    /// <param name="backing">Taken over; null without a parent, or when the caller does not want it.</param>
    /// <param name="mode">What for.</param>
    public VmdkSparseImage(IImageFile file, VmdkHeader header, VmdkDescriptor? descriptor, IDiskImage? backing, ImageOpenMode mode) : base(file, backing)
    {
        _header = header;
        _descriptor = descriptor;
        _sizeBytes = header.CapacitySectors * SectorBytes;
        Open(() =>
        {
            FileEnd = file.Length;
            if (mode == ImageOpenMode.Use && !file.IsReadOnly) Prepare();
        });
    }

    public VmdkDescriptor? Descriptor => _descriptor;

    public VmdkHeader Header => _header;

    public override ImageFormat Format => ImageFormat.Vmdk;

    public override ulong SizeBytes => Volatile.Read(ref _sizeBytes);

    protected override ulong PlaceBytes => GrainBytes;

    private ulong GrainBytes => _header.GrainBytes;

    protected override void ReadRun(ulong offset, in SparseRun run, ref IoCursor cursor)
    {
        if (run.Kind != BlockExtentKind.Compressed)
        {
            base.ReadRun(offset, run, ref cursor);
            return;
        }

        lock (_codec) cursor.Fill(Expand(run.HostOffset).AsSpan((int)(offset % GrainBytes), (int)run.Length));
    }

    protected override SparseRun Lookup(ulong offset, ulong count)
    {
        ulong coverage = _header.TableCoverage;
        ulong most = Math.Min(count, coverage - offset % coverage);
        ulong table = TableOf(_header.DirectorySector, offset / coverage);
        if (table == 0)
        {
            ulong next = offset / coverage + 1;
            for (int i = 0; i < MostEmptyTables && most < count && TableOf(_header.DirectorySector, next) == 0; i++, next++) most = Math.Min(count, most + coverage);
            return new SparseRun(BlockExtentKind.Unallocated, most, 0);
        }

        ulong index = offset % coverage / GrainBytes;
        ulong inGrain = offset % GrainBytes;
        BlockExtentKind kind = Grain(table, index, out ulong place);
        ulong length = GrainBytes - inGrain;
        while (length < most && kind != BlockExtentKind.Compressed)
        {
            if (Grain(table, ++index, out ulong next) != kind || (kind == BlockExtentKind.Data && next != place + inGrain + length)) break;
            length += GrainBytes;
        }

        return new SparseRun(kind, Math.Min(length, most), kind == BlockExtentKind.Data ? place + inGrain : place);
    }

    private BlockExtentKind Grain(ulong table, ulong index, out ulong place)
    {
        uint entry = Read32(table + index * sizeof(uint));
        place = entry * SectorBytes;
        if (entry == 0) return BlockExtentKind.Unallocated;
        if (entry == ZeroedGrain && _header.HasZeroedGrains)
        {
            place = 0;
            return BlockExtentKind.Zero;
        }

        if (!CanBe(place)) throw ImageException.Corrupt($"{Name}: a grain lies at 0x{place:x}, where none can be");
        return _header.IsCompressed ? BlockExtentKind.Compressed : BlockExtentKind.Data;
    }

    // The last grain may be cut off where the disk ends.
    private bool CanBe(ulong place)
        => place >= VmdkHeader.Bytes && (_header.IsCompressed ? place + MarkerBytes <= FileEnd : place < FileEnd);

    private ulong TableOf(ulong directorySector, ulong index)
    {
        ulong table = Read32(directorySector * SectorBytes + index * sizeof(uint)) * SectorBytes;
        if (table != 0 && table + _header.EntriesPerTable * sizeof(uint) > FileEnd) throw ImageException.Corrupt($"{Name}: a grain table lies at 0x{table:x}, beyond the end of the file");
        return table;
    }

    private uint Read32(ulong offset) => BinaryPrimitives.ReadUInt32LittleEndian(Page(offset));

    // Under the codec's lock. The grain read last is kept: requests are smaller than grains.
    private byte[] Expand(ulong place)
    {
        if (_expanded is not null && _expandedPlace == place) return _expanded;
        byte[] grain = _expanded ?? new byte[GrainBytes];
        _expanded = null;
        int packedBytes = (int)Math.Min(FileEnd - place, 2 * GrainBytes);
        if (_header.HasMarkers)
        {
            Span<byte> marker = stackalloc byte[MarkerBytes];
            File.Read(place, marker);
            uint size = BinaryPrimitives.ReadUInt32LittleEndian(marker[sizeof(ulong)..]);
            place += MarkerBytes;
            if (size > 2 * GrainBytes || size > FileEnd - place) throw ImageException.Corrupt($"{Name}: the compressed grain at 0x{place:x} says that it has {size} bytes");
            packedBytes = (int)size;
        }

        byte[] packed = new byte[packedBytes];
        File.Read(place, packed);
        if (!TryExpand(packed, grain)) throw ImageException.Corrupt($"{Name}: the compressed grain at 0x{place:x} cannot be read");
        _expandedPlace = place - (_header.HasMarkers ? MarkerBytes : 0UL);
        return _expanded = grain;
    }

    // The last grain of a disk may be shorter.
    private static bool TryExpand(byte[] packed, byte[] grain)
    {
        try
        {
            using ZLibStream stream = new(new MemoryStream(packed, writable: false), CompressionMode.Decompress);
            int bytes = stream.ReadAtLeast(grain, grain.Length, throwOnEndOfStream: false);
            grain.AsSpan(bytes).Clear();
            return bytes != 0;
        }
        catch (InvalidDataException)
        {
            return false;
        }
    }
}
