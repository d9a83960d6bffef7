namespace Vmm.Core.Memory;

/// <summary>Host memory that does not move, so that it can stand in a list of vectors beside guest memory.</summary>
public sealed unsafe class PinnedBuffer
{
    private readonly byte[] _bytes;

    /// <param name="sizeBytes">At least one.</param>
    public PinnedBuffer(int sizeBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sizeBytes, 1);
        _bytes = GC.AllocateUninitializedArray<byte>(sizeBytes, pinned: true);
    }

    /// <summary>Its size.</summary>
    public int SizeBytes => _bytes.Length;

    /// <summary>All of it.</summary>
    public Span<byte> Span => _bytes;

    /// <summary>A vector of a piece of it, good for as long as this object is in use.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The piece is not within it.</exception>
    public IoVec Vector(int offset, int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)offset, (uint)_bytes.Length, nameof(offset));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)count, (uint)(_bytes.Length - offset), nameof(count));
        // SAFETY: the array was allocated pinned, and the piece lies within it.
        fixed (byte* start = _bytes) return new IoVec((nint)(start + offset), (nuint)count);
    }
}
