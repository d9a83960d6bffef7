using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Storage.Qcow2;

namespace Vmm.Storage.Sparse;

/// <summary>
/// What formats share whose disk lies in units (VHD's blocks, VMDK's grains) that tables find and that get a place in the file when they are
/// first written. A format says where things lie and how its tables change; locks, order and failures are here. This part: life and reading.
/// </summary>
/// <remarks>
/// Lock order: <c>_access</c>, then <see cref="Gate"/>. Readers, and writers to what is there, share <c>_access</c> for as long as they do
/// I/O; whoever changes what is there holds it alone. <see cref="Gate"/> guards the tables in memory.
/// Order on the disk: data, a barrier, the tables that speak of it, a barrier, freed units.
/// A second level of inheritance, because two formats that each delegate all of it would say everything twice again.
/// </remarks>
internal abstract partial class SparseImage : DiskImageBase
{
    protected const ulong SectorBytes = IBlockBackend.SectorBytes;
    protected const int PageBytes = 512;
    private const int CachePages = 4096;

    private readonly ReaderWriterLockSlim _access = new();
    private bool _disposed;

    /// <param name="file">Taken over.</param>
    /// <param name="backing">What shows where nothing lies; taken over. Null for zeros.</param>
    protected SparseImage(IImageFile file, IDiskImage? backing)
    {
        File = file;
        Backing = backing;
        Cache = new MetadataCache(file, PageBytes, CachePages, WriteTables);
    }

    public override string Name => File.Name;

    public override bool IsReadOnly => File.IsReadOnly;

    public override ulong AllocatedBytes => File.AllocatedBytes;

    public override IDiskImage? Backing { get; }

    protected IImageFile File { get; }

    /// <summary>The tables, page by page. Under <see cref="Gate"/>.</summary>
    protected MetadataCache Cache { get; }

    protected Lock Gate { get; } = new();

    /// <summary>Where the next unit can go.</summary>
    protected ulong FileEnd { get; set; }

    /// <summary>Takes no changes any more.</summary>
    protected bool IsBroken { get; private set; }

    public override BlockExtent Map(ulong offset, ulong count)
    {
        lock (Gate)
        {
            SparseRun run = Lookup(offset, count);
            return new BlockExtent(run.Kind, run.Length, run.Kind == BlockExtentKind.Data ? run.HostOffset : null);
        }
    }

    /// <summary>Does the first work on the file; if that fails, nothing stays open.</summary>
    protected void Open(Action work)
    {
        try
        {
            work();
        }
        catch
        {
            File.Dispose();
            Backing?.Dispose();
            throw;
        }
    }

    /// <summary>What stands behind a range, as far as it is kept in one way and side by side. Under <see cref="Gate"/>.</summary>
    protected abstract SparseRun Lookup(ulong offset, ulong count);

    /// <summary>Reads what <see cref="Lookup"/> has found.</summary>
    protected virtual void ReadRun(ulong offset, in SparseRun run, ref IoCursor cursor)
    {
        if (run.Kind == BlockExtentKind.Data) FileTransfer.Read(File, run.HostOffset, run.Length, ref cursor);
        else if (run.Kind == BlockExtentKind.Zero) cursor.Clear(run.Length);
        else FileTransfer.ReadBacking(Backing, offset, run.Length, ref cursor);
    }

    protected override void ReadCore(ulong offset, ReadOnlySpan<IoVec> vectors, ulong count)
    {
        _access.EnterReadLock();
        try
        {
            IoCursor cursor = new(vectors);
            while (count != 0)
            {
                SparseRun run;
                lock (Gate) run = Lookup(offset, count);
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
            if (!IsReadOnly && !IsBroken) Close();
        }
        catch (ImageException)
        {
            // The owner has flushed what must not be lost.
        }
        finally
        {
            File.Dispose();
            Backing?.Dispose();
            _access.Dispose();
        }
    }

    protected override void OnFailure(ImageException e)
    {
        if (e.Result == BlockResult.Corrupt) IsBroken = true;
    }

    /// <summary>The rest of a page of the tables, from a byte of the file on.</summary>
    protected ReadOnlySpan<byte> Page(ulong offset) => Cache.Get(offset).Data.AsSpan((int)(offset % PageBytes));

    /// <summary>The same, to be changed.</summary>
    protected Span<byte> ChangedPage(ulong offset)
    {
        MetadataPage page = Cache.Get(offset);
        Cache.MarkDirty(page, isRefcount: false);
        return page.Data.AsSpan((int)(offset % PageBytes));
    }

    protected void ThrowIfBroken()
    {
        if (IsBroken) throw ImageException.Corrupt($"{Name} is corrupt and takes no changes");
    }
}
