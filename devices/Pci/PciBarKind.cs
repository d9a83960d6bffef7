namespace Vmm.Devices.Pci;

/// <summary>What a base address register decodes (PCI Local Bus 3.0 §6.2.5.1).</summary>
public enum PciBarKind
{
    Io,
    Memory32,

    /// <summary>Takes two registers.</summary>
    Memory64,
}
