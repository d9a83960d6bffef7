using Vmm.Core.Memory;

namespace Vmm.TestKit;

/// <summary>The driver's end of a packed virtqueue (virtio 1.2 §2.8) in guest memory: offers chains, takes back what is used.</summary>
/// <param name="memory">Guest memory.</param>
/// <param name="ring">Descriptors.</param>
/// <param name="driverEvents">The driver's event suppression.</param>
/// <param name="deviceEvents">The device's.</param>
/// <param name="size">Entries.</param>
/// <param name="hasEventIndex">Whether VIRTIO_F_EVENT_IDX is agreed.</param>
/// <param name="isInOrder">Whether VIRTIO_F_IN_ORDER is agreed.</param>
public sealed class PackedQueueDriver(GuestMemory memory, ulong ring, ulong driverEvents, ulong deviceEvents, ushort size, bool hasEventIndex, bool isInOrder = false)
{
    private const ushort Next = 1, Write = 2, Indirect = 4, Avail = 1 << 7, Used = 1 << 15, Wrap = 1 << 15;
    private const ushort Disable = 1, Desc = 2;

    private readonly Stack<ushort> _ids = new(Enumerable.Range(0, size).Reverse().Select(i => (ushort)i));
    private readonly int[] _slots = new int[size];
    private readonly Queue<ushort> _order = new();
    private int _next, _seen;
    private bool _nextWrap = true, _seenWrap = true;

    /// <summary>One buffer of a chain.</summary>
    public readonly record struct Buffer(ulong Address, uint Length, bool IsWritable);

    public ushort Size => size;

    /// <summary>Entries that no chain holds.</summary>
    public int Free { get; private set; } = size;

    /// <summary>Where the next chain goes.</summary>
    public ulong NextDescriptor => ring + 16 * (ulong)_next;

    /// <summary>The device's answer to whether it wants kicks: place with wrap counter, and flags.</summary>
    public (ushort Place, ushort Flags) DeviceEvents => (Get16(deviceEvents), Get16(deviceEvents + 2));

    /// <summary>Makes a chain available.</summary>
    /// <param name="buffers">Its buffers.</param>
    /// <param name="table">Where they are described, when not in the ring; 0 for the ring.</param>
    /// <returns>The chain's id and whether the device wants a kick.</returns>
    public (ushort Id, bool WantsKick) Offer(ReadOnlySpan<Buffer> buffers, ulong table = 0)
    {
        ushort id = _ids.Pop();
        int slots = table == 0 ? buffers.Length : 1;
        int before = _next + (_nextWrap ? 0 : size);
        ulong first = NextDescriptor;
        ushort firstFlags = 0;
        for (int i = 0; i < buffers.Length && table != 0; i++)
            Describe(table + 16 * (ulong)i, buffers[i].Address, buffers[i].Length, 0, buffers[i].IsWritable ? Write : (ushort)0);
        for (int i = 0; i < slots; i++)
        {
            Buffer buffer = table == 0 ? buffers[i] : new Buffer(table, 16 * (uint)buffers.Length, false);
            int flags = (i + 1 < slots ? Next : 0) | (buffer.IsWritable ? Write : 0) | (table == 0 ? 0 : Indirect) | (_nextWrap ? Avail : Used);
            // The first is made available last.
            Describe(NextDescriptor, buffer.Address, buffer.Length, id, i == 0 ? Get16(first + 14) : (ushort)flags);
            if (i == 0) firstFlags = (ushort)flags;
            if (++_next == size) (_next, _nextWrap) = (0, !_nextWrap);
        }

        Put16(first + 14, firstFlags);
        Free -= slots;
        _slots[id] = slots;
        if (isInOrder) _order.Enqueue(id);
        return (id, WantsKick(before, slots));
    }

    /// <summary>Whether the device has used something that was not taken yet.</summary>
    public bool HasUsed
    {
        get
        {
            Assert(memory.TryReadAcquire(new GuestAddress(ring + 16 * (ulong)_seen + 14), out ushort flags));
            return (flags & Avail) != 0 == _seenWrap && (flags & Used) != 0 == _seenWrap;
        }
    }

    /// <summary>Takes what the device has used next.</summary>
    /// <param name="wantsNext">Asks for an interrupt at the one behind it.</param>
    public (ushort Id, uint Length)? Take(bool wantsNext = true)
    {
        ulong at = ring + 16 * (ulong)_seen;
        if (!HasUsed) return null;
        ushort flags = Get16(at + 14);
        Assert(memory.TryRead(new GuestAddress(at + 8), out uint length));
        ushort id = Get16(at + 12);
        Assert(id < size && _slots[id] != 0 && (length != 0) == ((flags & Write) != 0) && (!isInOrder || _order.Dequeue() == id));
        _seen += _slots[id];
        if (_seen >= size) (_seen, _seenWrap) = (_seen - size, !_seenWrap);
        Free += _slots[id];
        _slots[id] = 0;
        _ids.Push(id);
        if (wantsNext && hasEventIndex) WantInterruptAt(0);
        return (id, length);
    }

    /// <summary>With event indices: asks for an interrupt when some more descriptors behind the next have been used.</summary>
    public void WantInterruptAt(int later)
    {
        int at = _seen + later;
        bool wrap = at < size ? _seenWrap : !_seenWrap;
        Put16(driverEvents, (ushort)((at % size) | (wrap ? Wrap : 0)));
        Put16(driverEvents + 2, Desc);
    }

    /// <summary>Asks for all interrupts or for none.</summary>
    public void WantInterrupts(bool all) => Put16(driverEvents + 2, all ? (ushort)0 : Disable);

    /// <summary>Writes one descriptor as it is.</summary>
    public void Describe(ulong at, ulong address, uint length, ushort id, ushort flags)
    {
        GuestAddress to = new(at);
        Assert(memory.TryWrite(to, address) && memory.TryWrite(to + 8, length) && memory.TryWrite(to + 12, id));
        Put16(at + 14, flags);
    }

    private bool WantsKick(int before, int slots)
    {
        (ushort place, ushort flags) = DeviceEvents;
        if (flags != Desc) return flags != Disable;
        // Places on a line of two rounds: is the device's among those that this chain took?
        int at = (place & ~Wrap) + ((place & Wrap) != 0 ? 0 : size);
        return (at - before + 2 * size) % (2 * size) < slots;
    }

    private ushort Get16(ulong from)
    {
        Assert(memory.TryRead(new GuestAddress(from), out ushort value));
        return value;
    }

    private void Put16(ulong to, ushort value) => Assert(memory.TryWriteRelease(new GuestAddress(to), value));

    private static void Assert(bool fact)
    {
        if (!fact) throw new InvalidOperationException("the packed queue is not what it should be");
    }
}
