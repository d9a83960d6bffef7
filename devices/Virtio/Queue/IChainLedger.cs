namespace Vmm.Devices.Virtio.Queue;

/// <summary>
/// Keeps account of the chains that are out, outside this process: whoever serves the ring after it learns from there which ones were never
/// given back. Called with the queue's lock held, in the order in which things happen; what is noted must be visible in that order.
/// </summary>
internal interface IChainLedger
{
    /// <summary>Chains that an earlier server left are still to be taken, before those in the ring.</summary>
    bool HasLeft { get; }

    /// <summary>A descriptor of the packed ring is read for the chain that is being taken.</summary>
    void Read(in PackedDescriptor descriptor, bool isFirst, bool isLast);

    /// <summary>A chain is out.</summary>
    void Taken(VirtChain chain);

    /// <summary>A chain will be given back with the next <see cref="Publishing"/>, in this order.</summary>
    void Staged(VirtChain chain);

    /// <summary>What was staged is about to be shown to the driver.</summary>
    /// <param name="position">Where the ring is then.</param>
    void Publishing(in VirtRingPosition position);

    /// <summary>It has been shown.</summary>
    void Published(in VirtRingPosition position);

    /// <summary>The chain that was taken last is in the ring again, or among those that were left.</summary>
    void PutBack(VirtChain chain);

    /// <summary>Takes the oldest of the chains that were left: names its entry in <see cref="VirtChain.Entry"/>.</summary>
    void TakeLeft(VirtChain chain);

    /// <summary>A descriptor of a left chain of the packed ring.</summary>
    /// <param name="chain">As <see cref="TakeLeft"/> named it.</param>
    /// <param name="index">From 0.</param>
    /// <param name="descriptor">What the ring had.</param>
    /// <returns>False when there are not so many.</returns>
    bool TryReadLeft(VirtChain chain, int index, out PackedDescriptor descriptor);
}
