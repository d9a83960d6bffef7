namespace Vmm.Devices.Virtio.Block;

/// <summary>The last byte of a request (virtio 1.2 §5.2.6).</summary>
internal enum VirtioBlockStatus : byte
{
    VIRTIO_BLK_S_OK = 0,
    VIRTIO_BLK_S_IOERR = 1,
    VIRTIO_BLK_S_UNSUPP = 2,
}
