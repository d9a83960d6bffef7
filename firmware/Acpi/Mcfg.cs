namespace Vmm.Firmware.Acpi;

/// <summary>The table of memory-mapped configuration windows (PCI Firmware 3.2 §4.1.2): one segment.</summary>
internal static class Mcfg
{
    private const byte Revision = 1;
    private const ulong Reserved = 0;

    public static byte[] Build(AcpiPciRoot root)
        => new AcpiTable("MCFG", Revision).Append(Reserved).Append((ulong)root.EcamAddress).Append([0, 0, 0, root.LastBus, 0, 0, 0, 0]).Close();
}
