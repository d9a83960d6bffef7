namespace Vmm.Devices.Virtio;

/// <summary>How a transport tells the driver. Any thread; takes only locks that nothing else is taken under.</summary>
internal interface IVirtioInterrupts
{
    /// <summary>A queue has used buffers.</summary>
    void QueueUsed(int queue);

    /// <summary>An eventfd that does what <see cref="QueueUsed"/> does; -1 where there is none now. May take locks that devices are called under.</summary>
    int QueueDescriptor(int queue) => -1;

    /// <summary>The configuration, or the device's status, has changed.</summary>
    void ConfigChanged();
}
