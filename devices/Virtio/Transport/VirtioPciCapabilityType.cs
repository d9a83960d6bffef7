namespace Vmm.Devices.Virtio.Transport;

/// <summary>Which structure a vendor capability points to (virtio 1.2 §4.1.4).</summary>
internal enum VirtioPciCapabilityType : byte
{
    VIRTIO_PCI_CAP_COMMON_CFG = 1,
    VIRTIO_PCI_CAP_NOTIFY_CFG = 2,
    VIRTIO_PCI_CAP_ISR_CFG = 3,
    VIRTIO_PCI_CAP_DEVICE_CFG = 4,
    VIRTIO_PCI_CAP_PCI_CFG = 5,
}
