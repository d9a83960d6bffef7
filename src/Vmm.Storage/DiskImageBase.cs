using Vmm.Core.Backends;
using Vmm.Core.Memory;

namespace Vmm.Storage;

/// <summary>What every image does with a request before and after its own part: bounds, refusals, failures as values.</summary>
public abstract partial class DiskImageBase : IDiskImage
{
    private string? _firstError;

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

    /// <summary>Told of the first failure of a guest's request, in one line, and of no other. Any thread.</summary>
    public Action<string>? Report { get; set; }

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
        if (Interlocked.CompareExchange(ref _firstError, e.Message, null) is null) Report?.Invoke(e.Message);
        OnFailure(e);
        return e.Result;
    }
}
