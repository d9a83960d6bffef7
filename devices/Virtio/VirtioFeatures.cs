namespace Vmm.Devices.Virtio;

/// <summary>Feature bits that every kind of device shares (virtio 1.2 §6).</summary>
public static class VirtioFeatures
{
    public const ulong VIRTIO_F_INDIRECT_DESC = 1UL << 28;
    public const ulong VIRTIO_F_EVENT_IDX = 1UL << 29;
    public const ulong VIRTIO_F_VERSION_1 = 1UL << 32;
    public const ulong VIRTIO_F_RING_RESET = 1UL << 40;

    /// <summary>What the queues and transports here bring.</summary>
    public const ulong Common = VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1 | VIRTIO_F_RING_RESET;
}
