using System.Buffers;
using Vmm.Devices.Virtio.Queue;

namespace Vmm.Devices.Virtio.Vsock;

/// <summary>What the guest has sent and the host's end has not taken yet. Takes memory only while it holds something.</summary>
internal sealed class VsockBuffer
{
    public const int SizeBytes = 64 << 10;

    private byte[]? _bytes;
    private int _start;

    /// <summary>Bytes that it holds.</summary>
    public int Count { get; private set; }

    /// <summary>The oldest bytes, as far as they lie together.</summary>
    public ReadOnlySpan<byte> First => _bytes.AsSpan(_start, Math.Min(Count, SizeBytes - _start));

    /// <summary>Adds bytes of a chain; the caller has seen to it that there is room.</summary>
    public void Add(VirtChain chain, ulong offset, int count)
    {
        _bytes ??= ArrayPool<byte>.Shared.Rent(SizeBytes);
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

    /// <summary>Removes the oldest bytes.</summary>
    public void Remove(int count)
    {
        Count -= count;
        _start = (_start + count) % SizeBytes;
        if (Count != 0 || _bytes is null) return;
        ArrayPool<byte>.Shared.Return(_bytes);
        (_bytes, _start) = (null, 0);
    }
}
