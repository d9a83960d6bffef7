namespace Vmm.Devices.Pci;

/// <summary>Where a function stands: bus, device (0 to 31), function (0 to 7).</summary>
public readonly record struct PciAddress(byte Bus, byte Device, byte Function)
{
    /// <summary>Devices on a bus.</summary>
    public const int DeviceCount = 32;

    /// <summary>Functions of a device.</summary>
    public const int FunctionCount = 8;

    /// <summary>What names the sender of a message: bus, device and function in 16 bits.</summary>
    public ushort RequesterId => (ushort)((Bus << 8) | (Device << 3) | Function);

    /// <inheritdoc/>
    public override string ToString() => $"{Bus:x2}:{Device:x2}.{Function}";
}
