using Vmm.Core.Backends;
using Vmm.Host.Aio;
using Vmm.Storage.Tools;

namespace Vmm.Storage.Qcow2;

/// <summary>
/// A disk in QEMU's copy-on-write format, versions 2 and 3 (qcow2 specification). This part: opening, and the state of all others.
/// </summary>
/// <remarks>
/// Lock order: <c>_changing</c>, <c>_flushing</c>, <c>_access</c>, <c>_gate</c>. Who reads or writes shares <c>_access</c> from before the
/// look into the tables to the end of the I/O; snapshots and the like are alone in it. <c>_gate</c> guards the tables in memory and is
/// held for no I/O of the guest. Who gives the disk other clusters holds <c>_changing</c>; a cluster that was given up is freed once the
/// file says so and everybody who may have found it has left. Order on the disk: data and refcounts, a barrier, L2 and L1 tables, a barrier, freed clusters.
/// </remarks>
internal sealed partial class Qcow2Image : DiskImageBase
{
    private const int CacheBytes = 2 << 20;
    private const int MostPageBytes = 4096;

    private readonly IImageFile _file;
    private readonly Qcow2Header _header;
    private readonly IDiskImage? _backing;
    private readonly object _changing = new();
    private readonly object _flushing = new();
    private readonly SharedAccess _access = new();
    private readonly Lock _gate = new();
    private readonly MetadataCache _cache;
    private readonly HashSet<ulong> _metadata = [];
    private readonly Qcow2Refcounts _refcounts;
    private readonly Qcow2Codec _codec;
    private readonly bool _isReadOnly;
    private ulong[] _l1;
    private int _l1DirtyFrom = int.MaxValue;
    private int _l1DirtyTo = -1;
    private uint _l1Outdated;
    private List<Qcow2Snapshot> _snapshots;
    private ulong _sectorEnd;
    private bool _isBroken;
    private byte[]? _expanded;
    private ulong _expandedEntry;
    private bool _disposed;

    /// <param name="file">Taken over, also when this throws.</param>
    /// <param name="header">Read from the file.</param>
    /// <param name="backing">Taken over; null when the image names none, or the caller does not want it.</param>
    /// <param name="mode">What for.</param>
    public Qcow2Image(IImageFile file, Qcow2Header header, IDiskImage? backing, Qcow2OpenMode mode)
    {
        _file = file;
        _header = header;
        _backing = backing;
        _isReadOnly = file.IsReadOnly;
        _codec = new Qcow2Codec(header.Compression);
        int pageBytes = Math.Min(MostPageBytes, header.ClusterBytes);
        _cache = new MetadataCache(file, pageBytes, CacheBytes / pageBytes, WriteMetadata);
        try
        {
            _refcounts = new Qcow2Refcounts(file, header, _cache, _metadata, WriteMetadata);
            _l1 = TableReader.Read(file, header.L1Offset, (int)header.L1Entries);
            _snapshots = Qcow2Snapshot.ReadTable(file, header);
            if (mode != Qcow2OpenMode.Use) return;
            Prepare();
        }
        catch
        {
            file.Dispose();
            backing?.Dispose();
            throw;
        }
    }

    public override ImageFormat Format => ImageFormat.Qcow2;

    public override string Name => _file.Name;

    public override ulong SizeBytes => Volatile.Read(ref _header.SizeBytes);

    public override bool IsReadOnly => _isReadOnly;

    public override ulong AllocatedBytes => _file.AllocatedBytes;

    public override IDiskImage? Backing => _backing;

    public override BlockLimits Limits
        => new(_file.Host?.PhysicalBlockBytes ?? IBlockBackend.SectorBytes, (uint)_header.ClusterBytes, (uint)_header.ClusterBytes);

    public Qcow2Header Header => _header;

    public IReadOnlyList<Qcow2Snapshot> Snapshots => _snapshots;

    private int ClusterBytes => _header.ClusterBytes;

    private ulong ClusterMask => (ulong)_header.ClusterBytes - 1;

    public override BlockExtent Map(ulong offset, ulong count)
    {
        lock (_gate)
        {
            Qcow2Run run = Lookup(offset, count);
            return new BlockExtent(run.Kind, run.Length, run.Kind == BlockExtentKind.Data ? run.HostOffset : null);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (_disposed) return;
        _disposed = true;
        try
        {
            if (!_isReadOnly && !_isBroken) Close();
        }
        catch (ImageException)
        {
            // The owner has flushed what must not be lost; what stays behind are leaks.
        }
        finally
        {
            _file.Dispose();
            _backing?.Dispose();
        }
    }

    protected override void OnFailure(ImageException e)
    {
        if (e.Result != BlockResult.Corrupt || _isReadOnly || _isBroken) return;
        _isBroken = true;
        if (_header.Version != 3) return;
        try
        {
            _header.Incompatible |= Qcow2Incompatible.Corrupt;
            _header.WriteFields(_file);
            _file.Flush();
        }
        catch (ImageException)
        {
            // It stays broken in this process at least.
        }
    }

    private void Prepare()
    {
        if (_isReadOnly) return;
        if ((_header.Incompatible & Qcow2Incompatible.Corrupt) != 0)
            throw new ImageException($"{Name} is marked as corrupt: open it for reading only, or run 'vmm image check --repair all'");
        if (_header.HasExtendedL2) throw new ImageException($"{Name} has subclusters (extended L2), which can only be read here");
        if (_header.HasBitmaps) throw new ImageException($"{Name} has dirty bitmaps, which writing would make wrong: open it for reading only");
        if ((_header.Incompatible & Qcow2Incompatible.Dirty) != 0)
        {
            ImageCheckResult repair = Check(ImageRepair.All, null);
            if (!repair.IsClean) throw new ImageException($"{Name} was not closed and cannot be repaired: {repair.FirstError}");
        }

        CollectMetadata();
        if (_header.AutoClear == 0) return;
        _header.AutoClear = 0;
        _header.WriteFields(_file);
    }

    /// <summary>Notes every cluster that holds a table; two tables in one cluster would destroy each other.</summary>
    private void CollectMetadata()
    {
        _metadata.Clear();
        NoteTable("the header", 0, 1);
        NoteTable("the L1 table", _header.L1Offset, (ulong)_header.L1Entries * 8);
        NoteTable("the refcount table", _header.RefcountTableOffset, (ulong)_header.RefcountTableClusters << _header.ClusterBits);
        foreach (ulong block in _refcounts.Table)
        {
            if (block != 0) NoteTable("a refcount block", block, 1);
        }

        foreach (ulong entry in _l1)
        {
            if ((entry & Qcow2Bits.OffsetMask) != 0) NoteTable("an L2 table", entry & Qcow2Bits.OffsetMask, 1);
        }

        NoteTable("the snapshot table", _header.SnapshotsOffset, _header.Snapshots == 0 ? 0 : Qcow2Snapshot.TableBytes(_snapshots));
        // A snapshot shares L2 tables with the disk, but never its L1 table.
        foreach (Qcow2Snapshot snapshot in _snapshots) NoteTable("a snapshot's L1 table", snapshot.L1Offset, (ulong)snapshot.L1Entries * 8);
    }

    private void NoteTable(string what, ulong offset, ulong bytes)
    {
        if (bytes == 0) return;
        if ((offset & ClusterMask) != 0) throw ImageException.Corrupt($"{Name}: {what} does not start at a cluster");
        ulong last = offset + bytes - 1 >> _header.ClusterBits;
        for (ulong cluster = offset >> _header.ClusterBits; cluster <= last; cluster++)
        {
            if (!_metadata.Add(cluster)) throw ImageException.Corrupt($"{Name}: {what} overlaps another table at 0x{cluster << _header.ClusterBits:x}; 'vmm image check' says more");
        }
    }

    private void ThrowIfBroken()
    {
        if (_isBroken) throw ImageException.Corrupt($"{Name} is corrupt and takes no changes");
    }
}
