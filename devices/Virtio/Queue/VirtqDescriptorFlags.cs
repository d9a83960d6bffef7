namespace Vmm.Devices.Virtio.Queue;

/// <summary>Flags of a descriptor (virtio 1.2 §2.7.5); the last two are the packed ring's (§2.8.1).</summary>
[Flags]
internal enum VirtqDescriptorFlags : ushort
{
    None = 0,
    VIRTQ_DESC_F_NEXT = 1 << 0,
    VIRTQ_DESC_F_WRITE = 1 << 1,
    VIRTQ_DESC_F_INDIRECT = 1 << 2,
    VIRTQ_DESC_F_AVAIL = 1 << 7,
    VIRTQ_DESC_F_USED = 1 << 15,
}
