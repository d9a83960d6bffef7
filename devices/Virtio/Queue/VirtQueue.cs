using System.Numerics;
using Vmm.Core.Memory;
using Vmm.Core.State;

namespace Vmm.Devices.Virtio.Queue;

/// <summary>
/// The device's end of a split virtqueue (virtio 1.2 §2.7), with indirect descriptors and event indices. Chains are copied and checked
/// once. A ring that breaks the rules latches: it gives nothing until it is reset, and the owner is told once. Thread-safe.
/// </summary>
public sealed class VirtQueue
{
    private const ulong DescriptorAlignment = 16, AvailableAlignment = 2, UsedAlignment = 4;
    private const ulong RingHeaderBytes = 4, AvailableElementBytes = 2, UsedElementBytes = 8, EventBytes = 2, IndexOffset = 2;
    private const ushort VIRTQ_AVAIL_F_NO_INTERRUPT = 1;

    private readonly Lock _gate = new();
    private readonly GuestMemory _memory;
    private readonly Action<VirtQueue, string> _broke;
    private readonly Action<VirtQueue> _signal;

    private GuestAddress _descriptors, _available, _used;
    private ushort _size;
    private bool _hasIndirect, _hasEventIndex;
    private bool _isRunning;
    private ushort _nextAvailable, _nextUsed, _signalledUsed;
    private uint _generation;
    private int _inFlight;

    /// <param name="index">The queue's number.</param>
    /// <param name="maxSize">The largest size, a power of two.</param>
    /// <param name="memory">Guest memory.</param>
    /// <param name="signal">Interrupts the driver.</param>
    /// <param name="broke">Told once in each life when the ring breaks the rules, and why. Called without the queue's lock.</param>
    public VirtQueue(int index, ushort maxSize, GuestMemory memory, Action<VirtQueue> signal, Action<VirtQueue, string> broke)
    {
        if (!BitOperations.IsPow2(maxSize)) throw new ArgumentException($"queue {index} cannot have {maxSize} entries", nameof(maxSize));
        (Index, MaxSize, _memory, _signal, _broke) = (index, maxSize, memory, signal, broke);
    }

    /// <summary>The queue's number.</summary>
    public int Index { get; }

    /// <summary>The largest size that the driver can choose.</summary>
    public ushort MaxSize { get; }

    /// <summary>The ring broke the rules.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>No chain is out.</summary>
    public bool IsIdle => Volatile.Read(ref _inFlight) == 0;

    /// <summary>Room for a chain of this queue, to be used again and again.</summary>
    public VirtChain NewChain() => new(_memory, MaxSize);

    /// <summary>Starts at the beginning of a ring. A ring that cannot be latches at once. Not while chains are out.</summary>
    internal void Start(VirtQueueSetup setup, ulong features) => Start(setup, features, 0, 0, 0);

    /// <summary>Stops giving chains. Those that are out may come back and are forgotten; until they have, <see cref="IsIdle"/> is false.</summary>
    internal void Stop()
    {
        lock (_gate)
        {
            _generation++;
            _isRunning = IsBroken = false;
            (_nextAvailable, _nextUsed, _signalledUsed) = (0, 0, 0);
        }
    }

    /// <summary>Takes the next chain that the driver has made available.</summary>
    /// <returns>False when there is none, or the queue is stopped or broken.</returns>
    public bool TryPop(VirtChain chain)
    {
        string? problem;
        lock (_gate)
        {
            if (!_isRunning || IsBroken || !HasAvailable(out problem)) return false;
            if (problem is null && TryLoad(chain, out problem))
            {
                _nextAvailable++;
                _inFlight++;
                chain.Generation = _generation;
                return true;
            }

            IsBroken = true;
        }

        _broke(this, problem!);
        return false;
    }

    /// <summary>Gives a chain back to the driver, without telling it; <see cref="Signal"/> does. A chain of an earlier life is dropped.</summary>
    /// <param name="chain">As popped; it can be used again afterwards.</param>
    /// <param name="writtenBytes">Bytes of the writable part that hold data now, from its start.</param>
    public void Push(VirtChain chain, uint writtenBytes)
    {
        lock (_gate)
        {
            if (chain.Generation == _generation && _isRunning && !IsBroken)
            {
                GuestAddress element = _used + (RingHeaderBytes + UsedElementBytes * (ulong)(_nextUsed & (_size - 1)));
                _memory.TryWrite(element, ((ulong)writtenBytes << 32) | chain.Head);
                _nextUsed++;
                _memory.TryWriteRelease(_used + IndexOffset, _nextUsed);
            }

            chain.Generation = 0;
            // Last, so that who sees the queue idle sees its memory at rest.
            Volatile.Write(ref _inFlight, _inFlight - 1);
        }
    }

    /// <summary>Gives several chains back that the driver sees all at once, as the buffers of one frame must be. Else as with one.</summary>
    /// <param name="chains">In the order in which they were popped.</param>
    /// <param name="writtenBytes">For each of them.</param>
    public void Push(ReadOnlySpan<VirtChain> chains, ReadOnlySpan<uint> writtenBytes)
    {
        lock (_gate)
        {
            ushort next = _nextUsed;
            for (int i = 0; i < chains.Length; i++)
            {
                if (chains[i].Generation == _generation && _isRunning && !IsBroken)
                {
                    GuestAddress element = _used + (RingHeaderBytes + UsedElementBytes * (ulong)(next & (_size - 1)));
                    _memory.TryWrite(element, ((ulong)writtenBytes[i] << 32) | chains[i].Head);
                    next++;
                }

                chains[i].Generation = 0;
            }

            if (next != _nextUsed)
            {
                _nextUsed = next;
                _memory.TryWriteRelease(_used + IndexOffset, next);
            }

            Volatile.Write(ref _inFlight, _inFlight - chains.Length);
        }
    }

    /// <summary>Puts a chain back as if it had not been popped. Only the chain that was popped last and is still out: later ones first.</summary>
    public void Return(VirtChain chain)
    {
        lock (_gate)
        {
            if (chain.Generation == _generation && _isRunning && !IsBroken) _nextAvailable--;
            chain.Generation = 0;
            Volatile.Write(ref _inFlight, _inFlight - 1);
        }
    }

    /// <summary>Interrupts the driver if it wants to know of what was pushed.</summary>
    public void Signal()
    {
        lock (_gate)
        {
            if (!_isRunning || IsBroken || !WantsInterrupt()) return;
        }

        _signal(this);
    }

    /// <summary>Latches the queue because a request makes no sense.</summary>
    /// <param name="problem">For people.</param>
    public void Break(string problem)
    {
        lock (_gate)
        {
            if (!_isRunning || IsBroken) return;
            IsBroken = true;
        }

        _broke(this, problem);
    }

    /// <exception cref="StateException">A chain is out.</exception>
    internal VirtQueueState Save(VirtQueueSetup setup)
    {
        lock (_gate)
        {
            if (_inFlight != 0) throw new StateException($"queue {Index}: {_inFlight} requests are under way");
            return new()
            {
                Size = setup.Size,
                Descriptors = setup.Descriptors,
                Available = setup.Available,
                Used = setup.Used,
                IsEnabled = setup.IsEnabled,
                IsRunning = _isRunning,
                IsBroken = IsBroken,
                NextAvailable = _nextAvailable,
                NextUsed = _nextUsed,
                SignalledUsed = _signalledUsed,
            };
        }
    }

    internal void Restore(VirtQueueState state, VirtQueueSetup setup, ulong features)
    {
        Stop();
        if (!state.IsRunning) return;
        Start(setup, features, state.NextAvailable, state.NextUsed, state.SignalledUsed);
        lock (_gate) IsBroken |= state.IsBroken;
    }

    private void Start(VirtQueueSetup setup, ulong features, ushort nextAvailable, ushort nextUsed, ushort signalledUsed)
    {
        bool isGood;
        lock (_gate)
        {
            (_descriptors, _available, _used) = (new(setup.Descriptors), new(setup.Available), new(setup.Used));
            _size = setup.Size;
            _hasIndirect = (features & VirtioFeatures.VIRTIO_F_INDIRECT_DESC) != 0;
            _hasEventIndex = (features & VirtioFeatures.VIRTIO_F_EVENT_IDX) != 0;
            (_nextAvailable, _nextUsed, _signalledUsed) = (nextAvailable, nextUsed, signalledUsed);
            _generation++;
            isGood = IsGood(setup);
            IsBroken = !isGood;
            _isRunning = true;
        }

        if (!isGood) _broke(this, $"a ring of {setup.Size} entries cannot be at 0x{setup.Descriptors:x}, 0x{setup.Available:x}, 0x{setup.Used:x}");
    }

    private bool IsGood(VirtQueueSetup setup)
    {
        ulong size = setup.Size;
        return size != 0 && size <= MaxSize && BitOperations.IsPow2(size)
            && setup.Descriptors % DescriptorAlignment == 0 && setup.Available % AvailableAlignment == 0 && setup.Used % UsedAlignment == 0
            && _memory.Contains(_descriptors, size * VirtqDescriptor.SizeBytes, forWrite: false)
            && _memory.Contains(_available, RingHeaderBytes + size * AvailableElementBytes + EventBytes, forWrite: false)
            && _memory.Contains(_used, RingHeaderBytes + size * UsedElementBytes + EventBytes, forWrite: true);
    }

    private bool HasAvailable(out string? problem)
    {
        problem = null;
        if (!_memory.TryReadAcquire(_available + IndexOffset, out ushort index)) return false;
        if (index == _nextAvailable)
        {
            if (!_hasEventIndex) return false;
            // Ask for a kick at the next chain, then look again: the driver may have added one before it could see that.
            _memory.TryWriteRelease(_used + (RingHeaderBytes + UsedElementBytes * _size), _nextAvailable);
            Interlocked.MemoryBarrier();
            if (!_memory.TryReadAcquire(_available + IndexOffset, out index) || index == _nextAvailable) return false;
        }

        int waiting = (ushort)(index - _nextAvailable);
        if (waiting > _size) problem = $"the available index runs {waiting} ahead in a ring of {_size}";
        else if (_inFlight >= _size) problem = $"more than {_size} chains at once";
        return true;
    }

    private bool TryLoad(VirtChain chain, out string? problem)
    {
        GuestAddress entry = _available + (RingHeaderBytes + AvailableElementBytes * (ulong)(_nextAvailable & (_size - 1)));
        if (!_memory.TryRead(entry, out ushort head)) head = ushort.MaxValue;
        GuestAddress table = _descriptors;
        uint tableSize = _size, index = head;
        bool isIndirect = false;
        chain.Begin(head);
        problem = null;
        while (true)
        {
            if (index >= tableSize || !_memory.TryRead(table + (ulong)index * VirtqDescriptor.SizeBytes, out VirtqDescriptor descriptor))
            {
                problem = $"descriptor {index} is not in a table of {tableSize}";
                return false;
            }

            if ((descriptor.Flags & VirtqDescriptorFlags.VIRTQ_DESC_F_INDIRECT) != 0)
            {
                bool isAllowed = _hasIndirect && !isIndirect && (descriptor.Flags & VirtqDescriptorFlags.VIRTQ_DESC_F_NEXT) == 0
                    && descriptor.Length != 0 && descriptor.Length % VirtqDescriptor.SizeBytes == 0;
                if (!isAllowed)
                {
                    problem = $"an indirect table of {descriptor.Length} bytes is not allowed here";
                    return false;
                }

                (table, tableSize, index, isIndirect) = (new GuestAddress(descriptor.Address), descriptor.Length / VirtqDescriptor.SizeBytes, 0, true);
                continue;
            }

            bool isWritable = (descriptor.Flags & VirtqDescriptorFlags.VIRTQ_DESC_F_WRITE) != 0;
            // No chain is longer than the queue (§2.7.5.3.1), so a loop ends here, too.
            if (chain.IsFull || !chain.TryAdd(new GuestAddress(descriptor.Address), descriptor.Length, isWritable))
            {
                problem = chain.IsFull ? "a chain is longer than the queue" : $"0x{descriptor.Address:x} with {descriptor.Length} bytes is not memory, or readable behind writable";
                return false;
            }

            if ((descriptor.Flags & VirtqDescriptorFlags.VIRTQ_DESC_F_NEXT) == 0) return true;
            index = descriptor.Next;
        }
    }

    private bool WantsInterrupt()
    {
        // The used index must be out before the driver's wish is read (§2.7.10.1).
        Interlocked.MemoryBarrier();
        if (!_hasEventIndex) return _memory.TryRead(_available, out ushort flags) && (flags & VIRTQ_AVAIL_F_NO_INTERRUPT) == 0;
        if (!_memory.TryRead(_available + (RingHeaderBytes + AvailableElementBytes * _size), out ushort wanted)) return false;
        ushort before = _signalledUsed;
        _signalledUsed = _nextUsed;
        return (ushort)(_nextUsed - wanted - 1) < (ushort)(_nextUsed - before);
    }
}
