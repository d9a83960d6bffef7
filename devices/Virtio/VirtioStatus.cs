namespace Vmm.Devices.Virtio;

/// <summary>The device status field (virtio 1.2 §2.1).</summary>
[Flags]
public enum VirtioStatus : byte
{
    None = 0,
    ACKNOWLEDGE = 1 << 0,
    DRIVER = 1 << 1,
    DRIVER_OK = 1 << 2,
    FEATURES_OK = 1 << 3,
    DEVICE_NEEDS_RESET = 1 << 6,
    FAILED = 1 << 7,
}
