namespace Vmm.Devices.Virtio.Vsock;

/// <summary>Flags of a shutdown: what its sender will not do any more (virtio 1.2 §5.10.6.5).</summary>
[Flags]
internal enum VsockShutdown : uint
{
    None = 0,
    RECEIVE = 1 << 0,
    SEND = 1 << 1,
    Both = RECEIVE | SEND,
}
