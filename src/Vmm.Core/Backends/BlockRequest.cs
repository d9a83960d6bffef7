using Vmm.Core.Memory;

namespace Vmm.Core.Backends;

/// <summary>
/// A request that may end later than the call that begins it (<see cref="IBlockBackend.Begin"/>). Its maker fills it in, begins it and
/// leaves it alone until <see cref="End"/>; then it can be used again.
/// </summary>
public abstract class BlockRequest
{
    private readonly IoVec[] _vectors;

    /// <param name="mostVectors">Room for so many vectors.</param>
    protected BlockRequest(int mostVectors)
        // Pinned, because the kernel reads the list itself.
        => _vectors = GC.AllocateArray<IoVec>(mostVectors, pinned: true);

    /// <summary>What is asked.</summary>
    public BlockOperation Operation { get; set; }

    /// <summary>First byte on the disk; nothing for a flush.</summary>
    public ulong Offset { get; set; }

    /// <summary>Bytes: of a read or write the sum of its vectors.</summary>
    public ulong Count { get; set; }

    /// <summary>Of <see cref="BlockOperation.WriteZeroes"/>: the storage may be given up.</summary>
    public bool MayUnmap { get; set; }

    /// <summary>How many vectors are in use.</summary>
    public int VectorCount { get; set; }

    /// <summary>All room for vectors. While the request is under way they belong to the disk, which may change them.</summary>
    public Span<IoVec> VectorRoom => _vectors;

    /// <summary>The memory that is read or written. It stays where it is until the end.</summary>
    public Span<IoVec> Vectors => _vectors.AsSpan(0, VectorCount);

    /// <summary>
    /// The request has ended. Once for each begin, on any thread, perhaps before <see cref="IBlockBackend.Begin"/> has returned; without
    /// locks of the disk. Must not block and must not throw.
    /// </summary>
    public abstract void End(BlockResult result);
}
