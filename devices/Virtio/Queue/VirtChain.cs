using Vmm.Core.Memory;

namespace Vmm.Devices.Virtio.Queue;

/// <summary>
/// A descriptor chain, copied out of the ring and checked once: every byte lies in memory, what the device may write in RAM. The guest
/// cannot change it any more. First the readable bytes, then the writable ones; offsets count within each. Reused: make one for each
/// request that can be under way (<see cref="VirtQueue.NewChain"/>). One thread at a time.
/// </summary>
public sealed class VirtChain
{
    private readonly GuestMemory _memory;
    private readonly (GuestAddress Address, uint Length)[] _segments;
    private int _count;
    private int _readable;

    internal VirtChain(GuestMemory memory, int capacity)
    {
        _memory = memory;
        _segments = new (GuestAddress, uint)[capacity];
    }

    /// <summary>Bytes that the device may read.</summary>
    public ulong ReadableBytes { get; private set; }

    /// <summary>Bytes that the device may write.</summary>
    public ulong WritableBytes { get; private set; }

    /// <summary>Ranges that the device may write.</summary>
    public int WritableCount => _count - _readable;

    /// <summary>How the driver knows it: the head descriptor, or the packed ring's buffer id.</summary>
    internal ushort Id { get; private set; }

    /// <summary>Entries of the ring that it takes.</summary>
    internal int Slots { get; private set; }

    /// <summary>Which life of the queue gave it; 0 for none.</summary>
    internal uint Generation { get; set; }

    /// <summary>Where a ledger knows it.</summary>
    internal int Entry { get; set; }

    /// <summary>An earlier server took it from the ring.</summary>
    internal bool IsLeft { get; set; }

    internal bool IsFull => _count == _segments.Length;

    /// <summary>One of the ranges that the device may write, as the driver gave it; it lies in RAM.</summary>
    public (GuestAddress Address, uint Length) WritableRange(int index) => _segments[_readable + index];

    /// <summary>Copies readable bytes out. False when there are not so many.</summary>
    public bool TryRead(ulong offset, Span<byte> to)
    {
        if (offset > ReadableBytes || (ulong)to.Length > ReadableBytes - offset) return false;
        Cursor cursor = new(this, 0, _readable, offset);
        while (!to.IsEmpty && cursor.Next((ulong)to.Length, out GuestAddress at, out uint count))
        {
            if (!_memory.TryCopyOut(at, to[..(int)count])) return false;
            to = to[(int)count..];
        }

        return true;
    }

    /// <summary>Copies bytes into the writable part. False when there is not so much room.</summary>
    public bool TryWrite(ulong offset, ReadOnlySpan<byte> from)
    {
        if (offset > WritableBytes || (ulong)from.Length > WritableBytes - offset) return false;
        Cursor cursor = new(this, _readable, _count, offset);
        while (!from.IsEmpty && cursor.Next((ulong)from.Length, out GuestAddress at, out uint count))
        {
            if (!_memory.TryCopyIn(at, from[..(int)count])) return false;
            from = from[(int)count..];
        }

        return true;
    }

    /// <summary>Vectors of a readable range, for a write to the host. False when it is not there or there are too few vectors.</summary>
    public bool TryPinReadable(ulong offset, ulong sizeBytes, Span<IoVec> vectors, out int count)
    {
        count = 0;
        return offset <= ReadableBytes && sizeBytes <= ReadableBytes - offset
            && TryPin(new Cursor(this, 0, _readable, offset), sizeBytes, forWrite: false, vectors, out count);
    }

    /// <summary>Vectors of a writable range, for a read from the host, which <see cref="MarkWritten"/> follows.</summary>
    public bool TryPinWritable(ulong offset, ulong sizeBytes, Span<IoVec> vectors, out int count)
    {
        count = 0;
        return offset <= WritableBytes && sizeBytes <= WritableBytes - offset
            && TryPin(new Cursor(this, _readable, _count, offset), sizeBytes, forWrite: true, vectors, out count);
    }

    /// <summary>Says that the host has written a pinned range.</summary>
    public void MarkWritten(ulong offset, ulong sizeBytes)
    {
        Cursor cursor = new(this, _readable, _count, offset);
        while (sizeBytes != 0 && cursor.Next(sizeBytes, out GuestAddress at, out uint count))
        {
            _memory.MarkWritten(at, count);
            sizeBytes -= count;
        }
    }

    internal void Begin(ushort id, int slots)
    {
        (_count, _readable, ReadableBytes, WritableBytes, Id, Slots, IsLeft) = (0, 0, 0, 0, id, slots, false);
    }

    /// <summary>It takes one more entry, which names it.</summary>
    internal void Extend(ushort id) => (Id, Slots) = (id, Slots + 1);

    /// <summary>Takes one more descriptor. False when its bytes are not memory, or it is readable behind a writable one.</summary>
    internal bool TryAdd(GuestAddress address, uint length, bool isWritable)
    {
        if (!_memory.Contains(address, length, isWritable) || (!isWritable && _count != _readable)) return false;
        _segments[_count++] = (address, length);
        if (isWritable)
        {
            WritableBytes += length;
        }
        else
        {
            _readable++;
            ReadableBytes += length;
        }

        return true;
    }

    private bool TryPin(Cursor cursor, ulong sizeBytes, bool forWrite, Span<IoVec> vectors, out int total)
    {
        total = 0;
        while (sizeBytes != 0 && cursor.Next(sizeBytes, out GuestAddress at, out uint count))
        {
            if (!_memory.TryPin(at, count, forWrite, vectors[total..], out int pinned)) return false;
            total += pinned;
            sizeBytes -= count;
        }

        return true;
    }

    /// <summary>Walks over the pieces of a range.</summary>
    private ref struct Cursor(VirtChain chain, int segment, int end, ulong skip)
    {
        private int _segment = segment;
        private ulong _skip = skip;

        public bool Next(ulong wanted, out GuestAddress at, out uint count)
        {
            for (; _segment < end; _segment++, _skip -= chain._segments[_segment - 1].Length)
            {
                (GuestAddress address, uint length) = chain._segments[_segment];
                if (_skip >= length) continue;
                at = address + _skip;
                count = (uint)Math.Min(wanted, length - _skip);
                _skip += count;
                return true;
            }

            (at, count) = (default, 0);
            return false;
        }
    }
}
