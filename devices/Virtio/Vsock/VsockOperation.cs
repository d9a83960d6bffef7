namespace Vmm.Devices.Virtio.Vsock;

/// <summary>What a packet is for (virtio 1.2 §5.10.6).</summary>
internal enum VsockOperation : ushort
{
    INVALID = 0,
    REQUEST = 1,
    RESPONSE = 2,
    RST = 3,
    SHUTDOWN = 4,
    RW = 5,
    CREDIT_UPDATE = 6,
    CREDIT_REQUEST = 7,
}
