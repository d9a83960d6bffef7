namespace Vmm.Devices.Pci;

/// <summary>The status register (PCI Local Bus 3.0 §6.2.3): the bits that a virtual function ever sets.</summary>
[Flags]
public enum PciStatus : ushort
{
    None = 0,
    InterruptStatus = 1 << 3,
    CapabilitiesList = 1 << 4,
}
