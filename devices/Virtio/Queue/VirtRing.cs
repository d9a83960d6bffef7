using Vmm.Core.Memory;

namespace Vmm.Devices.Virtio.Queue;

/// <summary>
/// One layout of a queue in guest memory, and how far the device has come in it. Its owner holds a lock at every call and has checked at
/// <see cref="TryStart"/> that all of it is memory.
/// </summary>
internal abstract class VirtRing(GuestMemory memory, ushort maxSize)
{
    // Kicks are asked for when the ring is found empty, and not while the device is at work.
    private bool _wantsKicks;

    /// <summary>Who keeps account of the chains that are out; null for nobody.</summary>
    protected IChainLedger? Ledger { get; private set; }

    protected GuestMemory Memory => memory;

    protected ushort MaxSize => maxSize;

    /// <summary>Entries.</summary>
    public ushort Size { get; private set; }

    protected bool HasIndirect { get; private set; }

    protected bool HasEventIndex { get; private set; }

    /// <summary>Entries of the ring that chains hold which are out.</summary>
    protected int Taken { get; private set; }

    /// <summary>How far it has come.</summary>
    public abstract VirtRingPosition Position { get; }

    /// <summary>The position at the beginning of a ring.</summary>
    public abstract VirtRingPosition Origin { get; }

    /// <summary>Whether a position can be one in a ring of this size.</summary>
    public abstract bool IsPossible(in VirtRingPosition position, ushort size);

    /// <summary>Goes to a ring in memory. False when it cannot be there.</summary>
    public bool TryStart(in VirtQueueSetup setup, ulong features, in VirtRingPosition position, IChainLedger? ledger)
    {
        Ledger = ledger;
        Size = setup.Size;
        HasIndirect = (features & VirtioFeatures.VIRTIO_F_INDIRECT_DESC) != 0;
        HasEventIndex = (features & VirtioFeatures.VIRTIO_F_EVENT_IDX) != 0;
        Taken = 0;
        // Not known after a restore: the first look at an empty ring says it again.
        _wantsKicks = false;
        return TryPlace(setup) && Begin(position);
    }

    /// <summary>Takes the next chain.</summary>
    /// <returns>True: there is one, or <paramref name="problem"/> says why the ring is broken.</returns>
    public bool TryTake(VirtChain chain, out string? problem)
    {
        if (Ledger is { HasLeft: true }) return TryTakeLeft(chain, out problem);
        if (!HasNext(out problem))
        {
            if (problem is not null) return true;
            AskForKicks();
            _wantsKicks = true;
            // Then look again: the driver may have added one before it could see that.
            Interlocked.MemoryBarrier();
            if (!HasNext(out problem)) return problem is not null;
        }

        if (_wantsKicks)
        {
            _wantsKicks = false;
            if (!HasEventIndex) ForbidKicks();
        }

        if (!TryLoad(chain, out problem)) return true;
        Taken += chain.Slots;
        Ledger?.Taken(chain);
        return true;
    }

    private bool TryTakeLeft(VirtChain chain, out string? problem)
    {
        Ledger!.TakeLeft(chain);
        if (!TryLoadLeft(chain, out problem)) return true;
        chain.IsLeft = true;
        Taken += chain.Slots;
        return true;
    }

    /// <summary>Gives a chain back.</summary>
    public void Use(VirtChain chain, uint writtenBytes)
    {
        Stage(chain, writtenBytes);
        Publish();
    }

    /// <summary>Writes down that a chain is used; the driver does not see it before <see cref="Publish"/>.</summary>
    public void Stage(VirtChain chain, uint writtenBytes)
    {
        Taken -= chain.Slots;
        WriteUsed(chain, writtenBytes);
        Ledger?.Staged(chain);
    }

    /// <summary>Shows the driver all that was staged, at once. Only when something was.</summary>
    public void Publish()
    {
        Ledger?.Publishing(Position);
        Show();
        Ledger?.Published(Position);
    }

    /// <summary>The chain that was taken last is there to be taken again.</summary>
    public void PutBack(VirtChain chain)
    {
        Taken -= chain.Slots;
        if (!chain.IsLeft) StepBack(chain.Slots);
        Ledger?.PutBack(chain);
    }

    /// <summary>Whether the driver wants to be interrupted because of what was given back since this was last asked.</summary>
    public abstract bool WantsInterrupt();

    /// <summary>Remembers where the ring is; false when it is not in memory.</summary>
    protected abstract bool TryPlace(in VirtQueueSetup setup);

    protected abstract bool Begin(in VirtRingPosition position);

    /// <summary>Whether there is a chain. A problem may come with false.</summary>
    protected abstract bool HasNext(out string? problem);

    /// <summary>Copies the next chain and steps behind it.</summary>
    protected abstract bool TryLoad(VirtChain chain, out string? problem);

    /// <summary>Copies a chain that <see cref="Ledger"/> knows and that the ring may not have any more.</summary>
    protected abstract bool TryLoadLeft(VirtChain chain, out string? problem);

    /// <summary>Shows what was staged.</summary>
    protected abstract void Show();

    protected abstract void WriteUsed(VirtChain chain, uint writtenBytes);

    /// <summary>Goes back to the chain before.</summary>
    protected abstract void StepBack(int slots);

    /// <summary>Tells the driver to kick for the next chain.</summary>
    protected abstract void AskForKicks();

    /// <summary>Tells a driver that knows no event indices not to kick.</summary>
    protected abstract void ForbidKicks();

    /// <summary>Adds one buffer to a chain. No chain is longer than the queue (§2.7.5.3.1, §2.8.8), so a loop ends here, too.</summary>
    protected static bool TryAdd(VirtChain chain, ulong address, uint length, bool isWritable, out string? problem)
    {
        problem = null;
        if (!chain.IsFull && chain.TryAdd(new GuestAddress(address), length, isWritable)) return true;
        problem = chain.IsFull ? "a chain is longer than the queue" : $"0x{address:x} with {length} bytes is not memory, or readable behind writable";
        return false;
    }

    /// <summary>Whether a descriptor may point to a table of others.</summary>
    protected bool IsGoodTable(uint length, bool hasNext, out string? problem)
    {
        bool isGood = HasIndirect && !hasNext && length != 0 && length % VirtqDescriptor.SizeBytes == 0;
        problem = isGood ? null : $"an indirect table of {length} bytes is not allowed here";
        return isGood;
    }
}
