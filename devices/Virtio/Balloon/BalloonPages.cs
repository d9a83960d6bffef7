using System.Runtime.InteropServices;
using Vmm.Core.Memory;
using Vmm.Devices.Virtio.Queue;
using static Vmm.Devices.Virtio.Balloon.VirtioBalloonRegisters;

namespace Vmm.Devices.Virtio.Balloon;

/// <summary>Gives pages that a driver names back to the host. The guest may name any page, twice or its own kernel's: that is its own loss.</summary>
internal sealed class BalloonPages(GuestMemory memory)
{
    // As many frame numbers as are sorted at once, so that pages that lie together are given back together.
    private const int PieceFrames = 256;

    // A longer array is cut; Linux sends 256.
    private const ulong MostFrames = 16 << 10;

    /// <summary>Bytes given back so far.</summary>
    public ulong Discarded;

    /// <summary>Pages that were not.</summary>
    public ulong Refused;

    /// <summary>Takes the pages of an array of frame numbers.</summary>
    public void TakeFrames(VirtChain chain)
    {
        Span<uint> frames = stackalloc uint[PieceFrames];
        ulong total = CountFrames(chain);
        for (ulong done = 0; done < total;)
        {
            Span<uint> piece = frames[..(int)Math.Min(PieceFrames, total - done)];
            if (!chain.TryRead(done * FrameNumberBytes, MemoryMarshal.AsBytes(piece))) return;
            piece.Sort();
            TakeSorted(piece);
            done += (ulong)piece.Length;
        }
    }

    /// <summary>Frame numbers in an array.</summary>
    public static ulong CountFrames(VirtChain chain) => Math.Min(chain.ReadableBytes / FrameNumberBytes, MostFrames);

    /// <summary>Takes the pages of a chain's writable ranges.</summary>
    public void TakeRanges(VirtChain chain)
    {
        for (int i = 0; i < chain.WritableCount; i++)
        {
            (GuestAddress from, uint bytes) = chain.WritableRange(i);
            ulong start = from.Value + GuestAddress.PageSize - 1 & ~(ulong)(GuestAddress.PageSize - 1);
            ulong end = from.Value + bytes & ~(ulong)(GuestAddress.PageSize - 1);
            if (end <= start) continue;
            if (memory.TryDiscard(new GuestAddress(start), end - start)) Discarded += end - start;
            else Refused += (end - start) >> PageShift;
        }
    }

    private void TakeSorted(ReadOnlySpan<uint> frames)
    {
        for (int at = 0; at < frames.Length;)
        {
            int end = at + 1;
            // The same page twice is one page.
            while (end < frames.Length && frames[end] - frames[end - 1] <= 1) end++;
            Discard((ulong)frames[at] << PageShift, (ulong)(frames[end - 1] - frames[at] + 1) << PageShift);
            at = end;
        }
    }

    private void Discard(ulong from, ulong bytes)
    {
        if (memory.TryDiscard(new GuestAddress(from), bytes)) Discarded += bytes;
        else DiscardSingly(from, bytes);
    }

    // A run that is not memory from end to end: what of it is memory is still given back.
    private void DiscardSingly(ulong from, ulong bytes)
    {
        for (ulong at = from; at - from < bytes; at += 1 << PageShift)
        {
            if (memory.TryDiscard(new GuestAddress(at), 1 << PageShift)) Discarded += 1 << PageShift;
            else Refused++;
        }
    }
}
