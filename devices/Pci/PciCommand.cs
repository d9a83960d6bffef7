namespace Vmm.Devices.Pci;

/// <summary>The command register (PCI Local Bus 3.0 §6.2.2): the bits that a virtual function has.</summary>
[Flags]
public enum PciCommand : ushort
{
    None = 0,
    IoSpace = 1 << 0,
    MemorySpace = 1 << 1,
    BusMaster = 1 << 2,
    ParityErrorResponse = 1 << 6,
    SerrEnable = 1 << 8,
    InterruptDisable = 1 << 10,

    /// <summary>What a guest can change.</summary>
    Writable = IoSpace | MemorySpace | BusMaster | ParityErrorResponse | SerrEnable | InterruptDisable,
}
