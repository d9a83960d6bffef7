namespace Vmm.Devices.Virtio;

/// <summary>Feature bits that every kind of device shares (virtio 1.2 §6).</summary>
public static class VirtioFeatures
{
    public const ulong VIRTIO_F_INDIRECT_DESC = 1UL << 28;
    public const ulong VIRTIO_F_EVENT_IDX = 1UL << 29;
    public const ulong VIRTIO_F_VERSION_1 = 1UL << 32;

    /// <summary>Addresses are not guest-physical ones. Never offered: there is no IOMMU.</summary>
    public const ulong VIRTIO_F_ACCESS_PLATFORM = 1UL << 33;

    public const ulong VIRTIO_F_RING_PACKED = 1UL << 34;

    /// <summary>Buffers are used in the order in which they were made available. A device that does so offers it.</summary>
    public const ulong VIRTIO_F_IN_ORDER = 1UL << 35;

    public const ulong VIRTIO_F_RING_RESET = 1UL << 40;

    /// <summary>What the queues and transports here bring.</summary>
    public const ulong Common = VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED | VIRTIO_F_RING_RESET;
}
