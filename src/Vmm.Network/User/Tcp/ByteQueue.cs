namespace Vmm.Network.User.Tcp;

/// <summary>Bytes in order, in chunks of a pool: added at the end, read anywhere, dropped at the start. Empty, it holds no chunk.</summary>
internal sealed class ByteQueue(ChunkPool pool)
{
    /// <summary>The most that one queue holds.</summary>
    public const int MostBytes = 1024 * 1024;

    private const int Slots = MostBytes / ChunkPool.ChunkBytes + 1;

    private readonly byte[]?[] _chunks = new byte[]?[Slots];
    private int _first;
    private int _used;

    // Bytes of the first chunk that were dropped.
    private int _start;

    public int Length { get; private set; }

    /// <summary>Room to write behind the last byte, for <see cref="Commit"/>; empty when the queue or the pool is full.</summary>
    public Span<byte> Tail()
    {
        int end = _start + Length;
        if (end == _used * ChunkPool.ChunkBytes)
        {
            if (Length >= MostBytes || _used == Slots || pool.TryRent() is not { } chunk) return default;
            _chunks[(_first + _used++) % Slots] = chunk;
        }

        return Chunk(end / ChunkPool.ChunkBytes).AsSpan(end % ChunkPool.ChunkBytes);
    }

    /// <summary>Makes bytes that were written at the tail part of the queue; 0 gives up an unused tail.</summary>
    public void Commit(int count)
    {
        Length += count;
        if (Length == 0) Clear();
    }

    /// <summary>The bytes from an offset on, as far as they lie together; at least one where the offset is below the length.</summary>
    public ReadOnlySpan<byte> Peek(int offset)
    {
        int at = _start + offset;
        int inChunk = at % ChunkPool.ChunkBytes;
        int count = Math.Min(Length - offset, ChunkPool.ChunkBytes - inChunk);
        return count <= 0 ? default : Chunk(at / ChunkPool.ChunkBytes).AsSpan(inChunk, count);
    }

    /// <summary>Drops bytes at the start.</summary>
    public void Drop(int count)
    {
        Length -= count;
        _start += count;
        if (Length == 0)
        {
            Clear();
            return;
        }

        while (_start >= ChunkPool.ChunkBytes)
        {
            ReturnFirst();
            _start -= ChunkPool.ChunkBytes;
        }
    }

    /// <summary>Drops all.</summary>
    public void Clear()
    {
        while (_used > 0) ReturnFirst();
        (_start, Length) = (0, 0);
    }

    private byte[] Chunk(int index) => _chunks[(_first + index) % Slots]!;

    private void ReturnFirst()
    {
        pool.Return(_chunks[_first]!);
        _chunks[_first] = null;
        _first = (_first + 1) % Slots;
        _used--;
    }
}
