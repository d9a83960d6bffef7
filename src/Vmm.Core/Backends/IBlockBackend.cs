using Vmm.Core.Memory;

namespace Vmm.Core.Backends;

/// <summary>
/// The host end of a disk: a line of bytes. Calls block until done, <see cref="Begin"/> apart, and may come from any number of threads
/// at once; requests that overlap while both are in flight end in either order. What fails in I/O comes back as a value; nothing here throws
/// because of what a guest asked. Offsets and lengths are bytes, of any alignment.
/// </summary>
public interface IBlockBackend : IDisposable
{
    /// <summary>Bytes of a sector, the unit in which guests count.</summary>
    const int SectorBytes = 512;

    /// <summary>The disk's size. Changes only with <see cref="Resized"/>.</summary>
    ulong SizeBytes { get; }

    /// <summary>True when no request can change the content.</summary>
    bool IsReadOnly { get; }

    /// <summary>The size changed. Raised on the thread that resized, without locks held.</summary>
    event Action? Resized;

    /// <summary>What the disk does best.</summary>
    BlockLimits Limits => BlockLimits.Sectors;

    /// <summary>
    /// Begins a request, which ends with <see cref="BlockRequest.End"/>. Never waits for the storage where the disk can help it. A flush
    /// covers the writes that had ended before it began. Dispose waits for all that was begun.
    /// </summary>
    void Begin(BlockRequest request) => request.End(Execute(request));

    /// <summary>Says that no more requests follow for now: some may be held back until then.</summary>
    void Submit()
    {
    }

    /// <summary>Carries a request out before it returns.</summary>
    BlockResult Execute(BlockRequest request) => request.Operation switch
    {
        BlockOperation.Read => Read(request.Offset, request.Vectors),
        BlockOperation.Write => Write(request.Offset, request.Vectors),
        BlockOperation.Flush => Flush(),
        BlockOperation.Discard => Discard(request.Offset, request.Count),
        BlockOperation.WriteZeroes => WriteZeroes(request.Offset, request.Count, request.MayUnmap),
        _ => BlockResult.NotSupported,
    };

    /// <summary>Fills the vectors from the disk; the sum of their sizes is the length.</summary>
    BlockResult Read(ulong offset, ReadOnlySpan<IoVec> vectors);

    /// <summary>Writes the vectors to the disk. The data is safe from a crash only after a later <see cref="Flush"/>.</summary>
    BlockResult Write(ulong offset, ReadOnlySpan<IoVec> vectors);

    /// <summary>Makes every write that had returned before this call safe from a crash of the host.</summary>
    BlockResult Flush();

    /// <summary>Says that a range is not needed. What it reads as later is zeros or the old content.</summary>
    BlockResult Discard(ulong offset, ulong count);

    /// <summary>Makes a range read as zeros.</summary>
    /// <param name="mayUnmap">The host may give up the storage behind the range.</param>
    BlockResult WriteZeroes(ulong offset, ulong count, bool mayUnmap);
}
