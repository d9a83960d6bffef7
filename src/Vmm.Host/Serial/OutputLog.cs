namespace Vmm.Host.Serial;

/// <summary>
/// The last bytes that a guest sent, in a ring of fixed size. Positions count from the first byte ever sent; each reader keeps its
/// own, so a reader that comes late still gets what is kept. Thread-safe.
/// </summary>
internal sealed class OutputLog(int capacityBytes)
{
    private readonly Lock _gate = new();
    private readonly byte[] _ring = new byte[capacityBytes];
    private long _head;

    /// <summary>The position after the newest byte.</summary>
    public long Head => Volatile.Read(ref _head);

    /// <summary>Adds bytes; the oldest make room.</summary>
    public void Append(ReadOnlySpan<byte> data)
    {
        lock (_gate)
        {
            if (data.Length > _ring.Length)
            {
                _head += data.Length - _ring.Length;
                data = data[^_ring.Length..];
            }

            int at = (int)(_head % _ring.Length);
            int first = Math.Min(data.Length, _ring.Length - at);
            data[..first].CopyTo(_ring.AsSpan(at));
            data[first..].CopyTo(_ring);
            Volatile.Write(ref _head, _head + data.Length);
        }
    }

    /// <summary>Copies bytes out from a position on, without moving it.</summary>
    /// <param name="position">Moved on to the oldest byte that is kept, when it lies before that.</param>
    /// <param name="to">Filled as far as there are bytes.</param>
    /// <param name="lost">By how much the position had to be moved.</param>
    /// <returns>Bytes copied.</returns>
    public int Peek(ref long position, Span<byte> to, out long lost)
    {
        lock (_gate)
        {
            lost = Math.Max(0, _head - _ring.Length - position);
            position += lost;
            int count = (int)Math.Min(to.Length, _head - position);
            int at = (int)(position % _ring.Length);
            int first = Math.Min(count, _ring.Length - at);
            _ring.AsSpan(at, first).CopyTo(to);
            _ring.AsSpan(0, count - first).CopyTo(to[first..]);
            return count;
        }
    }

    /// <summary>The position from which a new reader gets everything that is kept.</summary>
    public long OldestKept
    {
        get
        {
            lock (_gate) return Math.Max(0, _head - _ring.Length);
        }
    }
}
