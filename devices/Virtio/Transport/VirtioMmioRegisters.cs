namespace Vmm.Devices.Virtio.Transport;

/// <summary>Offsets of the registers (virtio 1.2 §4.2.2), 32 bits each.</summary>
internal static class VirtioMmioRegisters
{
    public const uint MagicValue = 0x000;
    public const uint Version = 0x004;
    public const uint DeviceID = 0x008;
    public const uint VendorID = 0x00c;
    public const uint DeviceFeatures = 0x010;
    public const uint DeviceFeaturesSel = 0x014;
    public const uint DriverFeatures = 0x020;
    public const uint DriverFeaturesSel = 0x024;
    public const uint QueueSel = 0x030;
    public const uint QueueNumMax = 0x034;
    public const uint QueueNum = 0x038;
    public const uint QueueReady = 0x044;
    public const uint QueueNotify = 0x050;
    public const uint InterruptStatus = 0x060;
    public const uint InterruptACK = 0x064;
    public const uint Status = 0x070;
    public const uint QueueDescLow = 0x080;
    public const uint QueueDescHigh = 0x084;
    public const uint QueueDriverLow = 0x090;
    public const uint QueueDriverHigh = 0x094;
    public const uint QueueDeviceLow = 0x0a0;
    public const uint QueueDeviceHigh = 0x0a4;
    public const uint SHMSel = 0x0ac;
    public const uint SHMLenLow = 0x0b0;
    public const uint SHMLenHigh = 0x0b4;
    public const uint SHMBaseLow = 0x0b8;
    public const uint SHMBaseHigh = 0x0bc;
    public const uint QueueReset = 0x0c0;
    public const uint ConfigGeneration = 0x0fc;

    /// <summary>The device's own configuration begins here.</summary>
    public const uint Config = 0x100;

    /// <summary>"virt".</summary>
    public const uint Magic = 0x74726976;

    /// <summary>Not the legacy interface.</summary>
    public const uint ModernVersion = 2;
}
