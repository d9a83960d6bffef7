namespace Vmm.Core.Backends;

/// <summary>Flags of the header before a frame (virtio 1.2 §5.1.6).</summary>
[Flags]
public enum NetHeaderFlags : byte
{
    None = 0,

    /// <summary>The checksum is for the receiver to fill in.</summary>
    VIRTIO_NET_HDR_F_NEEDS_CSUM = 1 << 0,

    /// <summary>The checksum has been verified. To the driver only.</summary>
    VIRTIO_NET_HDR_F_DATA_VALID = 1 << 1,
}
