namespace Vmm.Devices.Virtio;

/// <summary>How a device whose rings others serve passes on what they have to tell the driver. Any thread.</summary>
public interface IVirtioCalls
{
    /// <summary>
    /// An eventfd that interrupts the driver for a queue without this process; -1 where there is none now, and <see cref="Raise"/> does it.
    /// </summary>
    int Descriptor(int queue);

    /// <summary>Interrupts the driver: a queue has used buffers.</summary>
    void Raise(int queue);

    /// <summary>A ring broke the rules, or cannot be served any more: the driver has to reset the device.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="why">For people.</param>
    void Break(int queue, string why);
}
