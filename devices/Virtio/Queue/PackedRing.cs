using Vmm.Core.Memory;

namespace Vmm.Devices.Virtio.Queue;

/// <summary>
/// A packed virtqueue (virtio 1.2 §2.8): one ring in which the driver offers chains and the device gives them back, told apart by wrap
/// counters. The driver's area is its event suppression, the device's area ours.
/// </summary>
internal sealed class PackedRing(GuestMemory memory, ushort maxSize) : VirtRing(memory, maxSize)
{
    private const ulong DescriptorAlignment = 16, EventAlignment = 4, EventBytes = 4, EventFlagsOffset = 2;
    private const ulong LengthOffset = 8, IdOffset = 12, FlagsOffset = 14;
    private const ushort RING_EVENT_FLAGS_ENABLE = 0, RING_EVENT_FLAGS_DISABLE = 1, RING_EVENT_FLAGS_DESC = 2, EventFlagsMask = 3;
    private const ushort WrapBit = 1 << 15;

    private GuestAddress _ring, _driverEvents, _deviceEvents;
    private Place _nextAvailable, _nextUsed;

    private GuestAddress? _firstStaged;
    private VirtqDescriptorFlags _firstFlags;

    // Given back since an interrupt was last considered; two rounds and more are as good as two.
    private int _unsignalled;

    public override VirtRingPosition Position => new(_nextAvailable.Value, _nextUsed.Value, _nextUsed.Retreat(_unsignalled, Size).Value);

    /// <summary>The position at the beginning of a ring.</summary>
    public static VirtRingPosition Start { get; } = new(WrapBit, WrapBit, WrapBit);

    public override VirtRingPosition Origin => Start;

    /// <summary>A position further on in a ring of this size.</summary>
    public static ushort Advance(ushort position, int by, int size) => new Place(position).Advance(by, size).Value;

    public override bool IsPossible(in VirtRingPosition position, ushort size)
        => new Place(position.NextAvailable).Index < size && new Place(position.NextUsed).Index < size && new Place(position.Signalled).Index < size;

    protected override bool TryPlace(in VirtQueueSetup setup)
    {
        (_ring, _driverEvents, _deviceEvents) = (new(setup.Descriptors), new(setup.Available), new(setup.Used));
        return setup.Size != 0 && setup.Size <= MaxSize
            && setup.Descriptors % DescriptorAlignment == 0 && setup.Available % EventAlignment == 0 && setup.Used % EventAlignment == 0
            && Memory.Contains(_ring, setup.Size * (ulong)PackedDescriptor.SizeBytes, forWrite: true)
            && Memory.Contains(_driverEvents, EventBytes, forWrite: false)
            && Memory.Contains(_deviceEvents, EventBytes, forWrite: true);
    }

    protected override bool Begin(in VirtRingPosition position)
    {
        (_nextAvailable, _nextUsed) = (new(position.NextAvailable), new(position.NextUsed));
        _unsignalled = _nextUsed.Behind(new(position.Signalled), Size);
        return true;
    }

    protected override bool HasNext(out string? problem)
    {
        problem = null;
        if (!Memory.TryReadAcquire(Descriptor(_nextAvailable.Index) + FlagsOffset, out ushort flags)) return false;
        bool isAvailable = ((VirtqDescriptorFlags)flags & VirtqDescriptorFlags.VIRTQ_DESC_F_AVAIL) != 0;
        bool isUsed = ((VirtqDescriptorFlags)flags & VirtqDescriptorFlags.VIRTQ_DESC_F_USED) != 0;
        if (isAvailable != _nextAvailable.Wrap || isUsed == _nextAvailable.Wrap) return false;
        if (Taken >= Size) problem = $"more than {Size} descriptors at once";
        return problem is null;
    }

    protected override bool TryLoad(VirtChain chain, out string? problem)
    {
        if (!TryLoad(chain, isLeft: false, out problem)) return false;
        _nextAvailable = _nextAvailable.Advance(chain.Slots, Size);
        return true;
    }

    protected override bool TryLoadLeft(VirtChain chain, out string? problem) => TryLoad(chain, isLeft: true, out problem);

    private bool TryLoad(VirtChain chain, bool isLeft, out string? problem)
    {
        chain.Begin(id: 0, slots: 0);
        while (true)
        {
            bool isThere = isLeft
                ? Ledger!.TryReadLeft(chain, chain.Slots, out PackedDescriptor descriptor)
                : Memory.TryRead(Descriptor(_nextAvailable.Advance(chain.Slots, Size).Index), out descriptor);
            if (!isThere || Taken + chain.Slots >= Size)
            {
                problem = $"a chain needs more than the {Size - Taken} descriptors that are left";
                return false;
            }

            // The id that counts is the last one's (§2.8.6).
            chain.Extend(descriptor.Id);
            bool hasNext = (descriptor.Flags & VirtqDescriptorFlags.VIRTQ_DESC_F_NEXT) != 0;
            if (!isLeft) Ledger?.Read(descriptor, isFirst: chain.Slots == 1, isLast: !hasNext);
            bool isTable = (descriptor.Flags & VirtqDescriptorFlags.VIRTQ_DESC_F_INDIRECT) != 0;
            bool isWritable = (descriptor.Flags & VirtqDescriptorFlags.VIRTQ_DESC_F_WRITE) != 0;
            bool isGood = isTable
                ? IsGoodTable(descriptor.Length, hasNext || chain.Slots != 1, out problem) && TryLoadTable(chain, descriptor, out problem)
                : TryAdd(chain, descriptor.Address, descriptor.Length, isWritable, out problem);
            if (!isGood) return false;
            if (!hasNext) return true;
        }
    }

    /// <summary>All descriptors of a table, one after the other: of their flags only the direction counts (§2.8.7).</summary>
    private bool TryLoadTable(VirtChain chain, in PackedDescriptor table, out string? problem)
    {
        problem = null;
        for (uint at = 0; at < table.Length; at += PackedDescriptor.SizeBytes)
        {
            if (!Memory.TryRead(new GuestAddress(table.Address) + at, out PackedDescriptor descriptor))
            {
                problem = $"an indirect table of {table.Length} bytes at 0x{table.Address:x} is not memory";
                return false;
            }

            bool isWritable = (descriptor.Flags & VirtqDescriptorFlags.VIRTQ_DESC_F_WRITE) != 0;
            if (!TryAdd(chain, descriptor.Address, descriptor.Length, isWritable, out problem)) return false;
        }

        return true;
    }

    // What was staged first is shown last: the driver looks at nothing behind it before.
    protected override void Show()
    {
        Memory.TryWriteRelease(_firstStaged!.Value + FlagsOffset, (ushort)_firstFlags);
        _firstStaged = null;
    }

    protected override void WriteUsed(VirtChain chain, uint writtenBytes)
    {
        GuestAddress descriptor = Descriptor(_nextUsed.Index);
        Memory.TryWrite(descriptor + LengthOffset, writtenBytes);
        Memory.TryWrite(descriptor + IdOffset, chain.Id);
        VirtqDescriptorFlags flags = _nextUsed.Wrap ? VirtqDescriptorFlags.VIRTQ_DESC_F_AVAIL | VirtqDescriptorFlags.VIRTQ_DESC_F_USED : VirtqDescriptorFlags.None;
        if (writtenBytes != 0) flags |= VirtqDescriptorFlags.VIRTQ_DESC_F_WRITE;
        if (_firstStaged is null) (_firstStaged, _firstFlags) = (descriptor, flags);
        else Memory.TryWriteRelease(descriptor + FlagsOffset, (ushort)flags);
        _nextUsed = _nextUsed.Advance(chain.Slots, Size);
        _unsignalled = Math.Min(_unsignalled + chain.Slots, 2 * Size - 1);
    }

    protected override void StepBack(int slots) => _nextAvailable = _nextAvailable.Retreat(slots, Size);

    protected override void AskForKicks()
    {
        if (HasEventIndex) Memory.TryWriteRelease(_deviceEvents, _nextAvailable.Value);
        Memory.TryWriteRelease(_deviceEvents + EventFlagsOffset, HasEventIndex ? RING_EVENT_FLAGS_DESC : RING_EVENT_FLAGS_ENABLE);
    }

    protected override void ForbidKicks() => Memory.TryWriteRelease(_deviceEvents + EventFlagsOffset, RING_EVENT_FLAGS_DISABLE);

    public override bool WantsInterrupt()
    {
        // What was used must be out before the driver's wish is read (§2.8.9).
        Interlocked.MemoryBarrier();
        int since = _unsignalled;
        _unsignalled = 0;
        if (!Memory.TryReadAcquire(_driverEvents + EventFlagsOffset, out ushort flags) || !Memory.TryRead(_driverEvents, out ushort wanted)) return false;
        return (flags & EventFlagsMask) switch
        {
            RING_EVENT_FLAGS_ENABLE => true,
            // The descriptor that is waited for has been passed since the last time.
            RING_EVENT_FLAGS_DESC => HasEventIndex && _nextUsed.Behind(new Place(wanted).Advance(1, Size), Size) < since,
            _ => false,
        };
    }

    private GuestAddress Descriptor(int index) => _ring + (ulong)index * PackedDescriptor.SizeBytes;

    /// <summary>A place in the ring and the wrap counter there, which begins as 1.</summary>
    private readonly struct Place(ushort value)
    {
        public ushort Value { get; } = value;

        public int Index => Value & ~WrapBit;

        public bool Wrap => (Value & WrapBit) != 0;

        public Place Advance(int by, int size)
        {
            int index = Index + by;
            return index < size ? new((ushort)(index | (Value & WrapBit))) : new((ushort)((index - size) | (~Value & WrapBit)));
        }

        public Place Retreat(int by, int size)
        {
            int linear = (Linear(size) - by + 2 * size) % (2 * size);
            return linear < size ? new((ushort)(linear | WrapBit)) : new((ushort)(linear - size));
        }

        /// <summary>Descriptors from another place to this one, modulo two rounds. The other may be one that the driver made up.</summary>
        public int Behind(Place other, int size)
        {
            int distance = Linear(size) - other.Linear(size);
            return ((distance % (2 * size)) + (2 * size)) % (2 * size);
        }

        private int Linear(int size) => Wrap ? Index : Index + size;
    }
}
