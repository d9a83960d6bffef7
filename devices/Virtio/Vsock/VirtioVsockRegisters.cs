namespace Vmm.Devices.Virtio.Vsock;

/// <summary>Numbers of the socket device (virtio 1.2 §5.10).</summary>
internal static class VirtioVsockRegisters
{
    public const ulong VIRTIO_VSOCK_F_STREAM = 1UL << 0;
    public const ulong VIRTIO_VSOCK_F_SEQPACKET = 1UL << 1;
    public const ulong VMADDR_CID_HOST = 2;

    public const uint VIRTIO_VSOCK_EVENT_TRANSPORT_RESET = 0;
    public const int EventBytes = 4;

    public const int ReceiveQueue = 0;
    public const int TransmitQueue = 1;
    public const int EventQueue = 2;

    /// <summary>The configuration is the guest's context id (§5.10.4).</summary>
    public const int ConfigBytes = 8;
}
