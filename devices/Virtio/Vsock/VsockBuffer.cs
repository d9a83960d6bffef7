using System.Buffers;
using System.Numerics;
using Vmm.Devices.Virtio.Queue;

namespace Vmm.Devices.Virtio.Vsock;

/// <summary>
/// What the guest has sent and the host's end has not taken yet, with the ends of messages where there are any: a bit for each byte, because
/// messages may be as short as one. Takes memory only while it holds something.
/// </summary>
internal sealed class VsockBuffer
{
    public const int SizeBytes = 64 << 10;

    private const int BitsPerWord = 64;
    private const int EndWords = SizeBytes / BitsPerWord;

    private byte[]? _bytes;
    private ulong[]? _ends;
    private int _start, _unfinished;

    /// <summary>Bytes that it holds.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes of the oldest message, if it is there to its end; else 0.</summary>
    public int MessageBytes
    {
        get
        {
            if (_ends is null || Count == _unfinished) return 0;
            int at = _start;
            while (true)
            {
                ulong ends = _ends[at / BitsPerWord] >> (at % BitsPerWord);
                if (ends != 0) return (at + BitOperations.TrailingZeroCount(ends) - _start + SizeBytes) % SizeBytes + 1;
                at = (at / BitsPerWord + 1) * BitsPerWord % SizeBytes;
            }
        }
    }

    /// <summary>The oldest bytes, which may lie in two places.</summary>
    public void Oldest(int count, out ReadOnlySpan<byte> first, out ReadOnlySpan<byte> second)
    {
        first = _bytes.AsSpan(_start, Math.Min(count, SizeBytes - _start));
        second = _bytes.AsSpan(0, count - first.Length);
    }

    /// <summary>Adds bytes of a chain; the caller has seen to it that there is room.</summary>
    public void Add(VirtChain chain, ulong offset, int count)
    {
        _bytes ??= ArrayPool<byte>.Shared.Rent(SizeBytes);
        _unfinished += count;
        while (count != 0)
        {
            int at = (_start + Count) % SizeBytes;
            int piece = Math.Min(count, SizeBytes - at);
            if (!chain.TryRead(offset, _bytes.AsSpan(at, piece))) _bytes.AsSpan(at, piece).Clear();
            Count += piece;
            offset += (ulong)piece;
            count -= piece;
        }
    }

    /// <summary>The byte that was added last is the last one of a message. Nothing where none was added since the last end.</summary>
    public void EndMessage()
    {
        if (_unfinished == 0) return;
        if (_ends is null)
        {
            _ends = ArrayPool<ulong>.Shared.Rent(EndWords);
            _ends.AsSpan(0, EndWords).Clear();
        }

        _unfinished = 0;
        int last = (_start + Count - 1) % SizeBytes;
        _ends[last / BitsPerWord] |= 1UL << (last % BitsPerWord);
    }

    /// <summary>Removes the oldest bytes: of messages, the oldest one or all of them.</summary>
    public void Remove(int count)
    {
        if (count == 0) return;
        Count -= count;
        _start = (_start + count) % SizeBytes;
        if (Count == 0)
        {
            Release();
        }
        else if (_ends is not null)
        {
            int last = (_start + SizeBytes - 1) % SizeBytes;
            _ends[last / BitsPerWord] &= ~(1UL << (last % BitsPerWord));
        }
    }

    /// <summary>Removes a message that will never be whole.</summary>
    public void RemoveUnfinished()
    {
        Count -= _unfinished;
        _unfinished = 0;
        if (Count == 0) Release();
    }

    private void Release()
    {
        if (_bytes is not null) ArrayPool<byte>.Shared.Return(_bytes);
        if (_ends is not null) ArrayPool<ulong>.Shared.Return(_ends);
        (_bytes, _ends, _start, _unfinished) = (null, null, 0, 0);
    }
}
