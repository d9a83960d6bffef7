namespace Vmm.Firmware.Boot;

/// <summary>Kinds of address range (ACPI 6.5 §15, table 15.1); PVH's memory map uses the same numbers.</summary>
public enum E820Type : uint
{
    Ram = 1,
    Reserved = 2,
    AcpiReclaimable = 3,
    AcpiNvs = 4,
    Unusable = 5,
}
