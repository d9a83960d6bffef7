using Vmm.Devices.Virtio.Queue;

namespace Vmm.Devices.Virtio;

/// <summary>
/// A device whose rings somebody else serves, such as another process: it is told where they are and gets no <see cref="VirtQueue"/>. What it
/// offers is all that is offered; nothing is added for the queues. All calls but <see cref="IsQueueIdle"/> come with the core's lock held.
/// </summary>
internal interface IVirtioRemoteDevice : IVirtioDevice
{
    /// <summary>From now on a ring may be served. Before <see cref="IVirtioDevice.Activate"/> for the rings that the driver had ready.</summary>
    /// <param name="queue">The queue's number.</param>
    /// <param name="setup">Where the ring is.</param>
    /// <param name="features">What was negotiated.</param>
    /// <param name="position">How far it has come.</param>
    void StartQueue(int queue, in VirtQueueSetup setup, ulong features, in VirtRingPosition position);

    /// <summary>The ring is not served any more as soon as <see cref="IsQueueIdle"/> says so; what is under way ends first.</summary>
    void StopQueue(int queue);

    /// <summary>Nobody serves the ring. Any thread.</summary>
    bool IsQueueIdle(int queue);

    /// <summary>How far a ring has come that is idle.</summary>
    VirtRingPosition QueuePosition(int queue);

    /// <summary>What <see cref="IVirtioCalls.Descriptor"/> gives may have changed. Takes note and does not call back under the caller's locks. Any thread.</summary>
    void CallsChanged();
}
