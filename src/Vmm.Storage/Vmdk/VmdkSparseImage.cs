using System.Buffers.Binary;
using System.IO.Compression;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Storage.Qcow2;

namespace Vmm.Storage.Vmdk;

/// <summary>
/// A disk, or a piece of one, in VMware's sparse format: grains found by tables in two levels, plain or compressed (VMDK specification
/// 5.0, "Hosted Sparse Extents" and "Stream-Optimized Compressed Sparse Extents"). This part: opening, where things lie, reading.
/// </summary>
/// <remarks>
/// Lock order: <c>_access</c>, then <c>_gate</c>. Readers, and writers to grains that are there, share <c>_access</c> for as long as they
/// do I/O; whoever changes what is there holds it alone. <c>_gate</c> guards the tables in memory.
/// Order on the disk: data, a barrier, table entries, a barrier, freed grains.
/// </remarks>
internal sealed partial class VmdkSparseImage : DiskImageBase, IVmdkImage
{
    private const uint ZeroedGrain = 1;
    private const ulong SectorBytes = VmdkHeader.SectorBytes;
    private const int PageBytes = 512;
    private const int CachePages = 4096;
    private const int MarkerBytes = 12;

    /// <summary>One look-up does not go further over what is not there.</summary>
    private const int MostEmptyTables = 4096;

    private readonly IImageFile _file;
    private readonly VmdkHeader _header;
    private readonly VmdkDescriptor? _descriptor;
    private readonly IDiskImage? _backing;
    private readonly ReaderWriterLockSlim _access = new();
    private readonly Lock _gate = new();
    private readonly Lock _codec = new();
    private readonly MetadataCache _cache;
    private readonly ulong _sizeBytes;
    private ulong _end;
    private bool _isChanged;
    private bool _isBroken;
    private bool _disposed;
    private byte[]? _expanded;
    private ulong _expandedPlace;

    /// <param name="file">Taken over, also when this throws.</param>
    /// <param name="header">Read from it.</param>
    /// <param name="descriptor">Read from it; null for an extent that another file describes.</param>
    /// <param name="backing">Taken over; null without a parent, or when the caller does not want it.</param>
    /// <param name="mode">What for.</param>
    public VmdkSparseImage(IImageFile file, VmdkHeader header, VmdkDescriptor? descriptor, IDiskImage? backing, ImageOpenMode mode)
    {
        _file = file;
        _header = header;
        _descriptor = descriptor;
        _backing = backing;
        _sizeBytes = header.CapacitySectors * SectorBytes;
        _cache = new MetadataCache(file, PageBytes, CachePages, WriteTables);
        try
        {
            _end = file.Length;
            if (mode == ImageOpenMode.Use && !file.IsReadOnly) Prepare();
        }
        catch
        {
            file.Dispose();
            backing?.Dispose();
            throw;
        }
    }

    public VmdkDescriptor? Descriptor => _descriptor;

    public VmdkHeader Header => _header;

    public override ImageFormat Format => ImageFormat.Vmdk;

    public override string Name => _file.Name;

    public override ulong SizeBytes => _sizeBytes;

    public override bool IsReadOnly => _file.IsReadOnly;

    public override ulong AllocatedBytes => _file.AllocatedBytes;

    public override IDiskImage? Backing => _backing;

    private ulong GrainBytes => _header.GrainBytes;

    public override BlockExtent Map(ulong offset, ulong count)
    {
        lock (_gate)
        {
            VmdkRun run = Lookup(offset, count);
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
                VmdkRun run;
                lock (_gate) run = Lookup(offset, count);
                ReadRun(offset, run, ref cursor);
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

    private void ReadRun(ulong offset, in VmdkRun run, ref IoCursor cursor)
    {
        switch (run.Kind)
        {
            case BlockExtentKind.Data:
                FileTransfer.Read(_file, run.HostOffset, run.Length, ref cursor);
                break;
            case BlockExtentKind.Zero:
                cursor.Clear(run.Length);
                break;
            case BlockExtentKind.Compressed:
                lock (_codec) cursor.Fill(Expand(run.HostOffset).AsSpan((int)(offset % GrainBytes), (int)run.Length));
                break;
            default:
                FileTransfer.ReadBacking(_backing, offset, run.Length, ref cursor);
                break;
        }
    }

    /// <summary>What stands behind a range, as far as it is kept in one way and side by side.</summary>
    private VmdkRun Lookup(ulong offset, ulong count)
    {
        ulong coverage = _header.TableCoverage;
        ulong most = Math.Min(count, coverage - offset % coverage);
        ulong table = TableOf(_header.DirectorySector, offset / coverage);
        if (table == 0)
        {
            ulong next = offset / coverage + 1;
            for (int i = 0; i < MostEmptyTables && most < count && TableOf(_header.DirectorySector, next) == 0; i++, next++) most = Math.Min(count, most + coverage);
            return new VmdkRun(BlockExtentKind.Unallocated, most, 0);
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

        return new VmdkRun(kind, Math.Min(length, most), kind == BlockExtentKind.Data ? place + inGrain : place);
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
        => place >= VmdkHeader.Bytes && (_header.IsCompressed ? place + MarkerBytes <= _end : place < _end);

    private ulong TableOf(ulong directorySector, ulong index)
    {
        ulong table = Read32(directorySector * SectorBytes + index * sizeof(uint)) * SectorBytes;
        if (table != 0 && table + _header.EntriesPerTable * sizeof(uint) > _end) throw ImageException.Corrupt($"{Name}: a grain table lies at 0x{table:x}, beyond the end of the file");
        return table;
    }

    private uint Read32(ulong offset) => BinaryPrimitives.ReadUInt32LittleEndian(_cache.Get(offset).Data.AsSpan((int)(offset % PageBytes)));

    // Under the codec's lock. The grain read last is kept: requests are smaller than grains.
    private byte[] Expand(ulong place)
    {
        if (_expanded is not null && _expandedPlace == place) return _expanded;
        byte[] grain = _expanded ?? new byte[GrainBytes];
        _expanded = null;
        int packedBytes = (int)Math.Min(_end - place, 2 * GrainBytes);
        if (_header.HasMarkers)
        {
            Span<byte> marker = stackalloc byte[MarkerBytes];
            _file.Read(place, marker);
            uint size = BinaryPrimitives.ReadUInt32LittleEndian(marker[sizeof(ulong)..]);
            place += MarkerBytes;
            if (size > 2 * GrainBytes || size > _end - place) throw ImageException.Corrupt($"{Name}: the compressed grain at 0x{place:x} says that it has {size} bytes");
            packedBytes = (int)size;
        }

        byte[] packed = new byte[packedBytes];
        _file.Read(place, packed);
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
