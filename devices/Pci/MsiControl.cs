namespace Vmm.Devices.Pci;

/// <summary>Message control of the MSI capability (PCI Local Bus 3.0 §6.8.1.3).</summary>
[Flags]
internal enum MsiControl : ushort
{
    None = 0,
    Enable = 1 << 0,
    MultipleMessageCapable = 7 << 1,
    MultipleMessageEnable = 7 << 4,
    Address64 = 1 << 7,
    PerVectorMasking = 1 << 8,
    Writable = Enable | MultipleMessageEnable,
}
