namespace Vmm.Core.Memory;

/// <summary>A walk through a list of vectors, in which a request is served piece by piece.</summary>
public ref struct IoCursor
{
    private ReadOnlySpan<IoVec> _vectors;
    private nuint _used;

    /// <param name="vectors">Pinned memory, which stays pinned while the cursor is in use.</param>
    public IoCursor(ReadOnlySpan<IoVec> vectors) => _vectors = vectors;

    /// <summary>The bytes that a list of vectors covers.</summary>
    /// <returns>False when the sum does not fit 63 bits.</returns>
    public static bool TrySum(ReadOnlySpan<IoVec> vectors, out ulong sum)
    {
        sum = 0;
        foreach (ref readonly IoVec vector in vectors)
        {
            if (vector.SizeBytes > long.MaxValue - sum) return false;
            sum += vector.SizeBytes;
        }

        return true;
    }

    /// <summary>Takes the next bytes as vectors of their own.</summary>
    /// <param name="most">At most so many bytes.</param>
    /// <param name="into">Room for the vectors; when it runs out, fewer bytes are taken.</param>
    /// <param name="bytes">How many were taken; 0 only at the end, or when nothing was asked.</param>
    /// <returns>How many vectors were filled in.</returns>
    public int Take(ulong most, scoped Span<IoVec> into, out ulong bytes)
    {
        int count = 0;
        bytes = 0;
        while (count < into.Length && bytes < most && Next(most - bytes, out IoVec piece))
        {
            into[count++] = piece;
            bytes += piece.SizeBytes;
        }

        return count;
    }

    /// <summary>Passes over the next bytes.</summary>
    public void Skip(ulong count)
    {
        while (count != 0 && Next(count, out IoVec piece)) count -= piece.SizeBytes;
    }

    /// <summary>Copies bytes into the next vectors.</summary>
    public void Fill(scoped ReadOnlySpan<byte> from)
    {
        while (!from.IsEmpty && Next((ulong)from.Length, out IoVec piece))
        {
            from[..(int)piece.SizeBytes].CopyTo(Span(piece));
            from = from[(int)piece.SizeBytes..];
        }
    }

    /// <summary>Copies bytes out of the next vectors.</summary>
    public void Drain(scoped Span<byte> to)
    {
        while (!to.IsEmpty && Next((ulong)to.Length, out IoVec piece))
        {
            Span(piece).CopyTo(to);
            to = to[(int)piece.SizeBytes..];
        }
    }

    /// <summary>Writes zeros into the next vectors.</summary>
    public void Clear(ulong count)
    {
        while (count != 0 && Next(Math.Min(count, 1u << 30), out IoVec piece))
        {
            Span(piece).Clear();
            count -= piece.SizeBytes;
        }
    }

    // SAFETY: whoever made the vector pinned its bytes, and Next never gives more than 1 GiB to those who call this.
    private static unsafe Span<byte> Span(in IoVec piece) => new((void*)piece.HostAddress, (int)piece.SizeBytes);

    private bool Next(ulong most, out IoVec piece)
    {
        while (!_vectors.IsEmpty)
        {
            nuint left = _vectors[0].SizeBytes - _used;
            if (left == 0)
            {
                _vectors = _vectors[1..];
                _used = 0;
                continue;
            }

            nuint part = (nuint)Math.Min(left, most);
            piece = new IoVec(_vectors[0].HostAddress + (nint)_used, part);
            _used += part;
            return true;
        }

        piece = default;
        return false;
    }
}
