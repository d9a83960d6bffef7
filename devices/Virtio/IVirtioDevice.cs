namespace Vmm.Devices.Virtio;

/// <summary>
/// A virtio device without its transport. <see cref="Activate"/>, <see cref="Reset"/> and the configuration come one at a time with
/// <see cref="VirtioCore"/>'s lock held; <see cref="OnKick"/> may come at any moment from any thread and only passes the word on.
/// </summary>
public interface IVirtioDevice
{
    /// <summary>For messages.</summary>
    string Name { get; }

    /// <summary>The kind of device (virtio 1.2 §5).</summary>
    ushort DeviceId { get; }

    /// <summary>Class code for a PCI function.</summary>
    uint PciClass { get; }

    /// <summary>Feature bits of this kind of device.</summary>
    ulong OfferedFeatures { get; }

    /// <summary>Whether the driver's choice of what was offered makes sense: whether each feature comes with those that it needs.</summary>
    bool Accepts(ulong features) => true;

    /// <summary>The largest size of each queue: a power of two.</summary>
    ReadOnlySpan<ushort> QueueSizes { get; }

    /// <summary>Bytes of the device's own configuration.</summary>
    uint ConfigBytes { get; }

    /// <summary>Reads configuration, within <see cref="ConfigBytes"/>.</summary>
    void ReadConfig(uint offset, Span<byte> data);

    /// <summary>Writes configuration, within <see cref="ConfigBytes"/>. Read-only fields ignore it.</summary>
    void WriteConfig(uint offset, ReadOnlySpan<byte> data);

    /// <summary>The driver is ready: from now on the queues give chains.</summary>
    void Activate(VirtioActivation activation);

    /// <summary>There may be new chains in a queue.</summary>
    void OnKick(int queue);

    /// <summary>
    /// An eventfd that does what <see cref="OnKick"/> does when it is signalled, so that a kick needs nobody else; -1 for none. It stays
    /// the same while the driver is ready, and may be signalled at any time.
    /// </summary>
    int KickDescriptor(int queue) => -1;

    /// <summary>
    /// Has an eventfd of somebody else's do what <see cref="OnKick"/> does, until <see cref="StopListening"/>; nobody takes its count. False
    /// when only a call will do. While the driver is ready.
    /// </summary>
    bool TryListen(int queue, int descriptor) => false;

    /// <summary>Ends <see cref="TryListen"/>, before the descriptor is closed.</summary>
    void StopListening(int queue, int descriptor)
    {
    }

    /// <summary>The driver is gone. The queues give nothing any more; requests that are under way may end and are then forgotten.</summary>
    void Reset();
}
