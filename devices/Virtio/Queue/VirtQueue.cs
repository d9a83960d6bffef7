using System.Numerics;
using Vmm.Core.Memory;
using Vmm.Core.State;

namespace Vmm.Devices.Virtio.Queue;

/// <summary>
/// The device's end of a virtqueue, split (virtio 1.2 §2.7) or packed (§2.8) as was negotiated, with indirect descriptors and event
/// indices. Chains are copied and checked once; they may be given back in any order. A ring that breaks the rules latches: it gives
/// nothing until it is reset, and the owner is told once. Thread-safe; nothing allocates once the queue has started.
/// </summary>
public sealed class VirtQueue : IQueueEnd
{
    private readonly Lock _gate = new();
    private readonly GuestMemory _memory;
    private readonly Action<VirtQueue, string> _broke;
    private readonly Action<VirtQueue> _signal;
    private readonly SplitRing _split;
    private readonly PackedRing _packed;

    private VirtRing _ring;
    private bool _isRunning;
    private bool _isHeld;
    private uint _generation;
    private int _inFlight;

    // Something was pushed since the last signal; signals that are on their way.
    private bool _isUntold;
    private int _signalling;

    /// <param name="index">The queue's number.</param>
    /// <param name="maxSize">The largest size, a power of two.</param>
    /// <param name="memory">Guest memory.</param>
    /// <param name="signal">Interrupts the driver.</param>
    /// <param name="broke">Told once in each life when the ring breaks the rules, and why. Called without the queue's lock.</param>
    public VirtQueue(int index, ushort maxSize, GuestMemory memory, Action<VirtQueue> signal, Action<VirtQueue, string> broke)
    {
        if (!BitOperations.IsPow2(maxSize)) throw new ArgumentException($"queue {index} cannot have {maxSize} entries", nameof(maxSize));
        (Index, MaxSize, _memory, _signal, _broke) = (index, maxSize, memory, signal, broke);
        _ring = _split = new SplitRing(memory, maxSize);
        _packed = new PackedRing(memory, maxSize);
    }

    /// <summary>The queue's number.</summary>
    public int Index { get; }

    /// <summary>The largest size that the driver can choose.</summary>
    public ushort MaxSize { get; }

    /// <summary>The size that the driver has chosen; 0 before its first start.</summary>
    public int Size => _ring.Size;

    /// <summary>The ring broke the rules.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>No chain is out, and the driver has been told of all that were given back.</summary>
    public bool IsIdle
        // In the order in which a request passes them.
        => Volatile.Read(ref _inFlight) == 0 && !Volatile.Read(ref _isUntold) && Volatile.Read(ref _signalling) == 0;

    /// <summary>Room for a chain of this queue, to be used again and again.</summary>
    public VirtChain NewChain() => new(_memory, MaxSize);

    /// <summary>
    /// Takes the next chain that the driver has made available. Only when this has said that there is none does the driver kick for the
    /// next one: whoever stops before that looks again without being asked.
    /// </summary>
    /// <returns>False when there is none, or the queue is stopped, held or broken.</returns>
    public bool TryPop(VirtChain chain)
    {
        string? problem;
        lock (_gate)
        {
            if (!_isRunning || _isHeld || IsBroken || !_ring.TryTake(chain, out problem)) return false;
            if (problem is null)
            {
                _inFlight++;
                chain.Generation = _generation;
                return true;
            }

            IsBroken = true;
        }

        _broke(this, problem);
        return false;
    }

    /// <summary>Gives a chain back to the driver, without telling it; <see cref="Signal"/> does, and must follow. A chain of an earlier life is dropped.</summary>
    /// <param name="chain">As popped; it can be used again afterwards.</param>
    /// <param name="writtenBytes">Bytes of the writable part that hold data now, from its start.</param>
    public void Push(VirtChain chain, uint writtenBytes)
    {
        lock (_gate)
        {
            if (chain.Generation == _generation && _isRunning && !IsBroken)
            {
                _ring.Use(chain, writtenBytes);
                Volatile.Write(ref _isUntold, true);
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
            bool isAny = false;
            for (int i = 0; i < chains.Length; i++)
            {
                if (chains[i].Generation == _generation && _isRunning && !IsBroken)
                {
                    _ring.Stage(chains[i], writtenBytes[i]);
                    isAny = true;
                }

                chains[i].Generation = 0;
            }

            if (isAny)
            {
                _ring.Publish();
                Volatile.Write(ref _isUntold, true);
            }

            Volatile.Write(ref _inFlight, _inFlight - chains.Length);
        }
    }

    /// <summary>Puts a chain back as if it had not been popped. Only the chain that was popped last and is still out: later ones first.</summary>
    public void Return(VirtChain chain)
    {
        lock (_gate)
        {
            if (chain.Generation == _generation && _isRunning && !IsBroken) _ring.PutBack(chain);
            chain.Generation = 0;
            Volatile.Write(ref _inFlight, _inFlight - 1);
        }
    }

    /// <summary>Interrupts the driver if it wants to know of what was pushed.</summary>
    public void Signal()
    {
        lock (_gate)
        {
            bool isWanted = _isRunning && !IsBroken && _ring.WantsInterrupt();
            if (isWanted) Interlocked.Increment(ref _signalling);
            Volatile.Write(ref _isUntold, false);
            if (!isWanted) return;
        }

        _signal(this);
        Interlocked.Decrement(ref _signalling);
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

    /// <summary>Starts at the beginning of a ring. A ring that cannot be latches at once. Not while chains are out.</summary>
    internal void Start(in VirtQueueSetup setup, ulong features)
    {
        VirtRing ring = RingFor(features);
        Start(ring, setup, features, ring.Origin, ledger: null);
    }

    /// <summary>Starts at a place in a ring. A ring that cannot be, or has no such place, latches at once. Not while chains are out.</summary>
    internal void Start(in VirtQueueSetup setup, ulong features, in VirtRingPosition position, IChainLedger? ledger)
    {
        VirtRing ring = RingFor(features);
        Start(ring, setup, features, position, ledger);
    }

    /// <summary>How far it has come; nowhere when no ring was ever good.</summary>
    internal VirtRingPosition Position
    {
        get
        {
            lock (_gate) return Size != 0 ? _ring.Position : default;
        }
    }

    /// <summary>Stops giving chains. Those that are out may come back and are forgotten; until they have, <see cref="IsIdle"/> is false.</summary>
    internal void Stop()
    {
        lock (_gate)
        {
            _generation++;
            _isRunning = IsBroken = false;
            Volatile.Write(ref _isUntold, false);
        }
    }

    /// <summary>Gives no chains for a while; those that are out may come back as ever.</summary>
    internal void Hold(bool isHeld)
    {
        lock (_gate) _isHeld = isHeld;
    }

    /// <exception cref="StateException">It is not idle.</exception>
    internal VirtQueueState Save(in VirtQueueSetup setup)
    {
        lock (_gate)
        {
            if (!IsIdle) throw new StateException($"queue {Index}: {_inFlight} requests are under way, or word of their end");
            // A broken queue goes nowhere any more, and may be nowhere.
            VirtRingPosition position = _isRunning && !IsBroken ? _ring.Position : default;
            return new()
            {
                Size = setup.Size,
                Descriptors = setup.Descriptors,
                Available = setup.Available,
                Used = setup.Used,
                IsEnabled = setup.IsEnabled,
                IsRunning = _isRunning,
                IsBroken = IsBroken,
                NextAvailable = position.NextAvailable,
                NextUsed = position.NextUsed,
                SignalledUsed = position.Signalled,
            };
        }
    }

    /// <exception cref="StateException">There is no such place in a ring.</exception>
    internal void Restore(VirtQueueState state, in VirtQueueSetup setup, ulong features)
    {
        Stop();
        if (!state.IsRunning) return;
        VirtRing ring = RingFor(features);
        VirtRingPosition position = new(state.NextAvailable, state.NextUsed, state.SignalledUsed);
        if (!state.IsBroken && !ring.IsPossible(position, setup.Size))
            throw new StateException($"queue {Index}: places 0x{state.NextAvailable:x} and 0x{state.NextUsed:x} are not in a ring of {setup.Size}");
        Start(ring, setup, features, position, ledger: null);
        lock (_gate) IsBroken |= state.IsBroken;
    }

    void IQueueEnd.Start(in VirtQueueSetup setup, ulong features) => Start(setup, features);

    void IQueueEnd.Stop() => Stop();

    void IQueueEnd.Hold(bool isHeld) => Hold(isHeld);

    VirtQueueState IQueueEnd.Save(in VirtQueueSetup setup) => Save(setup);

    void IQueueEnd.Restore(VirtQueueState state, in VirtQueueSetup setup, ulong features) => Restore(state, setup, features);

    private VirtRing RingFor(ulong features) => (features & VirtioFeatures.VIRTIO_F_RING_PACKED) != 0 ? _packed : _split;

    private void Start(VirtRing ring, in VirtQueueSetup setup, ulong features, in VirtRingPosition position, IChainLedger? ledger)
    {
        bool isGood;
        lock (_gate)
        {
            _ring = ring;
            _generation++;
            isGood = ring.IsPossible(position, setup.Size) && ring.TryStart(setup, features, position, ledger);
            IsBroken = !isGood;
            _isRunning = true;
        }

        if (!isGood) _broke(this, $"a ring of {setup.Size} entries cannot be at 0x{setup.Descriptors:x}, 0x{setup.Available:x}, 0x{setup.Used:x}");
    }
}
