namespace Vmm.Devices.Virtio.Transport;

/// <summary>Why the device interrupts (virtio 1.2 §4.1.4.5 and, with the same bits, §4.2.2).</summary>
[Flags]
internal enum VirtioIsr
{
    None = 0,
    QueueUsed = 1 << 0,
    ConfigChanged = 1 << 1,
}
