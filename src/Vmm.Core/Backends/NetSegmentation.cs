namespace Vmm.Core.Backends;

/// <summary>How a frame is to be cut (virtio 1.2 §5.1.6, gso_type). UDP fragmentation (3) is never offered, and so is no type here.</summary>
public enum NetSegmentation : byte
{
    VIRTIO_NET_HDR_GSO_NONE = 0,
    VIRTIO_NET_HDR_GSO_TCPV4 = 1,
    VIRTIO_NET_HDR_GSO_TCPV6 = 4,
    VIRTIO_NET_HDR_GSO_UDP_L4 = 5,

    /// <summary>Beside one of the TCP types: the ECN bits are set.</summary>
    VIRTIO_NET_HDR_GSO_ECN = 0x80,
}
