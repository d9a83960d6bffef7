namespace Vmm.Network.User.Tcp;

/// <summary>The memory that all connections share for data on their way. It grows as it is needed, up to its limit, and is used again.</summary>
internal sealed class ChunkPool(int mostChunks)
{
    /// <summary>Bytes of a chunk.</summary>
    public const int ChunkBytes = 32 * 1024;

    private readonly Stack<byte[]> _free = new();
    private int _inUse;

    /// <summary>Bytes that can still be rented.</summary>
    public int FreeBytes => (mostChunks - _inUse) * ChunkBytes;

    public byte[]? TryRent()
    {
        if (_inUse == mostChunks) return null;
        _inUse++;
        return _free.TryPop(out byte[]? chunk) ? chunk : GC.AllocateUninitializedArray<byte>(ChunkBytes);
    }

    public void Return(byte[] chunk)
    {
        _inUse--;
        _free.Push(chunk);
    }
}
