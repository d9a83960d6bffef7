using Vmm.Core.Backends;

namespace Vmm.Core.Memory;

/// <summary>Block requests on the host's own buffers.</summary>
public static unsafe class BlockBackendSpans
{
    /// <summary>Fills a buffer from the disk.</summary>
    public static BlockResult Read(this IBlockBackend disk, ulong offset, Span<byte> data)
    {
        // SAFETY: the buffer stays pinned for the call, and the vector covers exactly the buffer.
        fixed (byte* start = data)
        {
            IoVec vector = new((nint)start, (nuint)data.Length);
            return disk.Read(offset, new ReadOnlySpan<IoVec>(in vector));
        }
    }

    /// <summary>Writes a buffer to the disk.</summary>
    public static BlockResult Write(this IBlockBackend disk, ulong offset, ReadOnlySpan<byte> data)
    {
        // SAFETY: as in Read.
        fixed (byte* start = data)
        {
            IoVec vector = new((nint)start, (nuint)data.Length);
            return disk.Write(offset, new ReadOnlySpan<IoVec>(in vector));
        }
    }
}
