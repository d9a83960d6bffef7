using Vmm.Core.Backends;
using Vmm.Core.Memory;

namespace Vmm.Storage;

/// <summary>What every image does with a request before and after its own part: bounds, refusals, failures as values.</summary>
public abstract partial class DiskImageBase : IDiskImage
{
    // The last failure of a call on this thread: a request that ends there takes it along.
    [ThreadStatic]
    private static ImageException? t_failure;

    private string? _firstError;
    private Action<BlockFailure>? _report;

    /// <inheritdoc/>
    public event Action? Resized;

    /// <inheritdoc/>
    public abstract ImageFormat Format { get; }

    /// <inheritdoc/>
    public abstract string Name { get; }

    /// <inheritdoc/>
    public abstract ulong SizeBytes { get; }

    /// <inheritdoc/>
    public abstract bool IsReadOnly { get; }

    /// <inheritdoc/>
    public abstract ulong AllocatedBytes { get; }

    /// <inheritdoc/>
    public virtual IDiskImage? Backing => null;

    /// <inheritdoc/>
    public string? FirstError => Volatile.Read(ref _firstError);

    /// <summary>Told of every begun request that fails, unless the guest asked for what cannot be; of images below this one, too. Any thread; must not block.</summary>
    public Action<BlockFailure>? Report
    {
        get => _report;
        set
        {
            _report = value;
            if (Backing is DiskImageBase below) below.Report = value;
        }
    }

    /// <inheritdoc/>
    public BlockResult Read(ulong offset, ReadOnlySpan<IoVec> vectors)
    {
        if (!IoCursor.TrySum(vectors, out ulong count) || !IsInside(offset, count)) return BlockResult.OutOfRange;
        try
        {
            ReadCore(offset, vectors, count);
            return BlockResult.Ok;
        }
        catch (ImageException e)
        {
            return Failed(e);
        }
    }

    /// <inheritdoc/>
    public BlockResult Write(ulong offset, ReadOnlySpan<IoVec> vectors)
    {
        if (!IoCursor.TrySum(vectors, out ulong count) || !IsInside(offset, count)) return BlockResult.OutOfRange;
        if (IsReadOnly) return BlockResult.ReadOnly;
        try
        {
            WriteCore(offset, vectors, count);
            return BlockResult.Ok;
        }
        catch (ImageException e)
        {
            return Failed(e);
        }
    }

    /// <inheritdoc/>
    public BlockResult Flush()
    {
        BlockResult result = FlushTables();
        Tidy();
        return result;
    }

    /// <inheritdoc/>
    public BlockResult Discard(ulong offset, ulong count)
    {
        if (!IsInside(offset, count)) return BlockResult.OutOfRange;
        if (IsReadOnly) return BlockResult.ReadOnly;
        try
        {
            if (count != 0) DiscardCore(offset, count);
            return BlockResult.Ok;
        }
        catch (ImageException e)
        {
            return Failed(e);
        }
    }

    /// <inheritdoc/>
    public BlockResult WriteZeroes(ulong offset, ulong count, bool mayUnmap)
    {
        if (!IsInside(offset, count)) return BlockResult.OutOfRange;
        if (IsReadOnly) return BlockResult.ReadOnly;
        try
        {
            if (count != 0) WriteZeroesCore(offset, count, mayUnmap);
            return BlockResult.Ok;
        }
        catch (ImageException e)
        {
            return Failed(e);
        }
    }

    /// <inheritdoc/>
    public abstract BlockExtent Map(ulong offset, ulong count);

    /// <inheritdoc/>
    public void Resize(ulong sizeBytes)
    {
        if (IsReadOnly) throw new ImageException($"{Name} is open for reading only");
        ResizeCore(sizeBytes);
        Resized?.Invoke();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        WaitForBegun();
        // The engine's threads may still be on their way out of this image.
        if (_ownsEngine) _engine!.Dispose();
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected abstract void ReadCore(ulong offset, ReadOnlySpan<IoVec> vectors, ulong count);

    protected abstract void WriteCore(ulong offset, ReadOnlySpan<IoVec> vectors, ulong count);

    protected abstract void FlushCore();

    protected abstract void DiscardCore(ulong offset, ulong count);

    protected abstract void WriteZeroesCore(ulong offset, ulong count, bool mayUnmap);

    protected abstract void ResizeCore(ulong sizeBytes);

    protected abstract void Dispose(bool disposing);

    /// <summary>Hears of a failure before its caller does.</summary>
    protected virtual void OnFailure(ImageException e)
    {
    }

    private bool IsInside(ulong offset, ulong count) => count <= SizeBytes && offset <= SizeBytes - count;

    private BlockResult FlushTables()
    {
        try
        {
            if (!IsReadOnly) FlushCore();
            return BlockResult.Ok;
        }
        catch (ImageException e)
        {
            return Failed(e);
        }
    }

    private void Tidy()
    {
        try
        {
            if (!IsReadOnly) AfterFlush();
        }
        catch (ImageException e)
        {
            Failed(e);
        }
    }

    private BlockResult Failed(ImageException e)
    {
        Interlocked.CompareExchange(ref _firstError, e.Message, null);
        t_failure = e;
        OnFailure(e);
        return e.Result;
    }

    private void Tell(BlockRequest request, BlockResult result, ImageException? failure)
    {
        if (_report is not { } report || result is BlockResult.Ok or BlockResult.OutOfRange or BlockResult.ReadOnly) return;
        // That storage cannot be given back is no failure of the disk.
        if (result == BlockResult.NotSupported && request.Operation is (BlockOperation.Discard or BlockOperation.WriteZeroes)) return;
        bool hasPlace = request.Operation != BlockOperation.Flush;
        report(new BlockFailure(request.Operation, hasPlace ? request.Offset : 0, hasPlace ? request.Count : 0, result, failure?.ErrorNumber ?? 0,
            failure?.Message ?? $"{Name}: {result}"));
    }
}
