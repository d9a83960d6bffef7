namespace Vmm.Devices.Pci;

/// <summary>Capability ids (PCI Local Bus 3.0, appendix H).</summary>
public static class PciCapabilityId
{
    public const byte Msi = 0x05;
    public const byte VendorSpecific = 0x09;
    public const byte MsiX = 0x11;
}
