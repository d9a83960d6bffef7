using System.Numerics;
using Vmm.Core.Memory;

namespace Vmm.Devices.Virtio.Queue;

/// <summary>A split virtqueue (virtio 1.2 §2.7): descriptors, what the driver offers, what the device gives back.</summary>
internal sealed class SplitRing(GuestMemory memory, ushort maxSize) : VirtRing(memory, maxSize)
{
    private const ulong DescriptorAlignment = 16, AvailableAlignment = 2, UsedAlignment = 4;
    private const ulong RingHeaderBytes = 4, AvailableElementBytes = 2, UsedElementBytes = 8, EventBytes = 2, IndexOffset = 2;
    private const ushort VIRTQ_AVAIL_F_NO_INTERRUPT = 1;
    private const ushort VIRTQ_USED_F_NO_NOTIFY = 1;

    private GuestAddress _descriptors, _available, _used;
    private ushort _nextAvailable, _nextUsed, _signalled;

    public override VirtRingPosition Position => new(_nextAvailable, _nextUsed, _signalled);

    public override VirtRingPosition Origin => default;

    public override bool IsPossible(in VirtRingPosition position, ushort size) => true;

    protected override bool TryPlace(in VirtQueueSetup setup)
    {
        (_descriptors, _available, _used) = (new(setup.Descriptors), new(setup.Available), new(setup.Used));
        ulong size = setup.Size;
        return size != 0 && size <= MaxSize && BitOperations.IsPow2(size)
            && setup.Descriptors % DescriptorAlignment == 0 && setup.Available % AvailableAlignment == 0 && setup.Used % UsedAlignment == 0
            && Memory.Contains(_descriptors, size * VirtqDescriptor.SizeBytes, forWrite: false)
            && Memory.Contains(_available, RingHeaderBytes + size * AvailableElementBytes + EventBytes, forWrite: false)
            && Memory.Contains(_used, RingHeaderBytes + size * UsedElementBytes + EventBytes, forWrite: true);
    }

    protected override bool Begin(in VirtRingPosition position)
    {
        (_nextAvailable, _nextUsed, _signalled) = (position.NextAvailable, position.NextUsed, position.Signalled);
        return true;
    }

    protected override bool HasNext(out string? problem)
    {
        problem = null;
        if (!Memory.TryReadAcquire(_available + IndexOffset, out ushort index) || index == _nextAvailable) return false;
        int waiting = (ushort)(index - _nextAvailable);
        if (waiting > Size) problem = $"the available index runs {waiting} ahead in a ring of {Size}";
        else if (Taken >= Size) problem = $"more than {Size} chains at once";
        return problem is null;
    }

    protected override bool TryLoad(VirtChain chain, out string? problem)
    {
        GuestAddress entry = _available + (RingHeaderBytes + AvailableElementBytes * (ulong)(_nextAvailable & (Size - 1)));
        if (!Memory.TryRead(entry, out ushort head)) head = ushort.MaxValue;
        if (!TryLoad(chain, head, out problem)) return false;
        _nextAvailable++;
        return true;
    }

    protected override bool TryLoadLeft(VirtChain chain, out string? problem) => TryLoad(chain, (ushort)chain.Entry, out problem);

    private bool TryLoad(VirtChain chain, ushort head, out string? problem)
    {
        chain.Begin(head, slots: 1);
        GuestAddress table = _descriptors;
        uint tableSize = Size, index = head;
        bool isIndirect = false;
        while (true)
        {
            if (index >= tableSize || !Memory.TryRead(table + (ulong)index * VirtqDescriptor.SizeBytes, out VirtqDescriptor descriptor))
            {
                problem = $"descriptor {index} is not in a table of {tableSize}";
                return false;
            }

            bool hasNext = (descriptor.Flags & VirtqDescriptorFlags.VIRTQ_DESC_F_NEXT) != 0;
            if ((descriptor.Flags & VirtqDescriptorFlags.VIRTQ_DESC_F_INDIRECT) != 0)
            {
                // A table within a table is refused as one with a next descriptor is.
                if (!IsGoodTable(descriptor.Length, hasNext || isIndirect, out problem)) return false;
                (table, tableSize, index, isIndirect) = (new GuestAddress(descriptor.Address), descriptor.Length / VirtqDescriptor.SizeBytes, 0, true);
                continue;
            }

            bool isWritable = (descriptor.Flags & VirtqDescriptorFlags.VIRTQ_DESC_F_WRITE) != 0;
            if (!TryAdd(chain, descriptor.Address, descriptor.Length, isWritable, out problem)) return false;
            if (hasNext)
            {
                index = descriptor.Next;
                continue;
            }

            return true;
        }
    }

    protected override void Show() => Memory.TryWriteRelease(_used + IndexOffset, _nextUsed);

    protected override void WriteUsed(VirtChain chain, uint writtenBytes)
    {
        GuestAddress element = _used + (RingHeaderBytes + UsedElementBytes * (ulong)(_nextUsed & (Size - 1)));
        Memory.TryWrite(element, ((ulong)writtenBytes << 32) | chain.Id);
        _nextUsed++;
    }

    protected override void StepBack(int slots) => _nextAvailable--;

    protected override void AskForKicks()
    {
        if (HasEventIndex) Memory.TryWriteRelease(_used + (RingHeaderBytes + UsedElementBytes * Size), _nextAvailable);
        else Memory.TryWriteRelease(_used, 0);
    }

    protected override void ForbidKicks() => Memory.TryWriteRelease(_used, VIRTQ_USED_F_NO_NOTIFY);

    public override bool WantsInterrupt()
    {
        // The used index must be out before the driver's wish is read (§2.7.10.1).
        Interlocked.MemoryBarrier();
        ushort before = _signalled;
        _signalled = _nextUsed;
        if (!HasEventIndex) return Memory.TryRead(_available, out ushort flags) && (flags & VIRTQ_AVAIL_F_NO_INTERRUPT) == 0;
        if (!Memory.TryRead(_available + (RingHeaderBytes + AvailableElementBytes * Size), out ushort wanted)) return false;
        return (ushort)(_nextUsed - wanted - 1) < (ushort)(_nextUsed - before);
    }
}
