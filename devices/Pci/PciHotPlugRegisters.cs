namespace Vmm.Devices.Pci;

/// <summary>Registers of the <see cref="PciHotPlug"/> controller: doublewords with a bit for each slot.</summary>
internal static class PciHotPlugRegisters
{
    /// <summary>Slots whose device has arrived; ones clear.</summary>
    public const uint UP = 0;

    /// <summary>Slots whose device is asked to leave; ones clear.</summary>
    public const uint DOWN = 4;

    /// <summary>Written ones take devices out; reads as zero.</summary>
    public const uint EJ = 8;

    /// <summary>Slots with a device; read-only.</summary>
    public const uint PRESENT = 12;
}
