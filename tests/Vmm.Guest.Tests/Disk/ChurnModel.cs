using System.Buffers.Binary;
using Vmm.Core.Backends;
using Vmm.Core.Memory;

namespace Vmm.Guest.Tests.Disk;

/// <summary>
/// What the disk guest's churn leaves on its disk: operation n writes or zeroes slots that follow from the seed. After a cut, each slot holds
/// the last operation that was flushed, or a later one.
/// </summary>
internal sealed class ChurnModel(uint seed, uint slots)
{
    public const int SlotBytes = 4096;

    // The guest runs at most so far ahead of the last flush that it reported.
    private const uint MostAhead = 4096;
    private const uint Magic = 0x4b534944;
    private const uint Zeros = 0;

    // The operation whose block each slot holds; 0 for zeros.
    private readonly uint[] _held = new uint[slots];

    /// <summary>Slots that held a block when last looked at.</summary>
    public int Blocks => _held.Count(op => op != Zeros);

    /// <summary>Looks at the disk after a run.</summary>
    /// <param name="disk">The image.</param>
    /// <param name="first">The run's first operation.</param>
    /// <param name="flushed">The last of which the guest had said that it is flushed.</param>
    /// <returns>The first operation that no run can have got to.</returns>
    public uint Verify(IBlockBackend disk, uint first, uint flushed)
    {
        uint end = flushed + MostAhead;
        Dictionary<uint, HashSet<uint>> allowed = [];
        for (uint op = first; op != end; op++)
        {
            (bool isZero, uint slot, uint count) = Operation(op);
            for (uint i = slot; i < slot + count; i++)
            {
                if (!allowed.TryGetValue(i, out HashSet<uint>? set)) allowed.Add(i, set = [_held[i]]);
                if (op <= flushed) set.Clear();
                set.Add(isZero ? Zeros : op);
            }
        }

        byte[] block = new byte[SlotBytes];
        for (uint slot = 0; slot < slots; slot++)
        {
            Assert.Equal(BlockResult.Ok, disk.Read((ulong)slot * SlotBytes, block));
            uint found = Identify(block, slot);
            bool isGood = allowed.TryGetValue(slot, out HashSet<uint>? set) ? set.Contains(found) : found == _held[slot];
            Assert.True(isGood, $"slot {slot} holds operation {found}; allowed are {string.Join(", ", set ?? [_held[slot]])}; flushed was {flushed}");
            _held[slot] = found;
        }

        return end;
    }

    private (bool IsZero, uint Slot, uint Count) Operation(uint op)
    {
        uint h = Mix(seed + Mix(op));
        return ((h & 7) == 0, (h >> 8) % (slots - 16), (h & 7) == 1 ? 16u : 1u);
    }

    private uint Identify(ReadOnlySpan<byte> block, uint slot)
    {
        if (block.IndexOfAnyExcept((byte)0) < 0) return Zeros;
        uint op = BinaryPrimitives.ReadUInt32LittleEndian(block[8..]);
        uint value = Mix(seed ^ Mix(op) ^ slot);
        Span<byte> expected = stackalloc byte[SlotBytes];
        uint[] head = [Magic, seed, op, slot];
        for (int i = 0; i < SlotBytes / 4; i++) BinaryPrimitives.WriteUInt32LittleEndian(expected[(4 * i)..], i < head.Length ? head[i] : value += 0x9e3779b9);
        Assert.True(block.SequenceEqual(expected), $"slot {slot} holds a block of operation {op} that is not whole");
        return op;
    }

    private static uint Mix(uint x)
    {
        x ^= x >> 16;
        x *= 0x7feb352d;
        x ^= x >> 15;
        x *= 0x846ca68b;
        return x ^ x >> 16;
    }
}
