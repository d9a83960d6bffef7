namespace Vmm.Devices.Virtio;

/// <summary>How a transport tells the driver. Any thread; takes only locks that nothing else is taken under.</summary>
internal interface IVirtioInterrupts
{
    /// <summary>A queue has used buffers.</summary>
    void QueueUsed(int queue);

    /// <summary>The configuration, or the device's status, has changed.</summary>
    void ConfigChanged();
}
