namespace Vmm.Devices.Virtio.Queue;

/// <summary>Flags of a descriptor (virtio 1.2 §2.7.5).</summary>
[Flags]
internal enum VirtqDescriptorFlags : ushort
{
    None = 0,
    VIRTQ_DESC_F_NEXT = 1 << 0,
    VIRTQ_DESC_F_WRITE = 1 << 1,
    VIRTQ_DESC_F_INDIRECT = 1 << 2,
}
