namespace Vmm.Firmware.Acpi;

/// <summary>The differentiated system description table: what a guest cannot find by probing.</summary>
internal static class Dsdt
{
    // Integers are 64 bits wide from revision 2 on.
    private const byte Revision = 2;
    private const byte FwCfgPorts = 12;

    // Present, enabled, shown, working.
    private const ulong StatusPresent = 0xf;

    public static byte[] Build(AcpiOptions options)
    {
        Aml aml = new();
        aml.Name("\\_S5", value => value.Package(options.SoftOffSleepType, options.SoftOffSleepType, 0UL, 0UL));
        aml.Scope("\\_SB", bus =>
        {
            AddProcessors(bus, options.VcpuCount);
            if (options.HasRtc) bus.Device("RTC", d => d.HardwareId("PNP0B00").CurrentResources(r => r.Io(0x70, 2).Irq(8)));
            if (options.HasKeyboardController) AddKeyboardController(bus);
            foreach (AcpiSerialPort port in options.SerialPorts) AddSerialPort(bus, port);
            if (options.PvPanicPort is { } panic) AddPorts(bus, "PEVT", "QEMU0001", panic, 1);
            if (options.FwCfgPort is { } fwCfg) AddPorts(bus, "FWCF", "QEMU0002", fwCfg, FwCfgPorts);
            options.PciRoot?.Contribute(bus);
            foreach (IAmlContributor contributor in options.Contributors) contributor.Contribute(bus);
        });
        options.PciRoot?.ContributeEvents(aml);
        return new AcpiTable("DSDT", Revision).Append(aml.Bytes).Close();
    }

    private static void AddProcessors(Aml bus, int count) => bus.Device("CPUS", container =>
    {
        container.HardwareId("ACPI0010").Name("_UID", 0);
        for (int id = 0; id < count; id++)
        {
            ulong uid = (ulong)id;
            container.Device($"C{id:X3}", d => d.HardwareId("ACPI0007").Name("_UID", uid));
        }
    });

    private static void AddKeyboardController(Aml bus)
    {
        bus.Device("KBD", d => d.HardwareId("PNP0303").CurrentResources(r => r.Io(0x60, 1).Io(0x64, 1).Irq(1)));
        bus.Device("MOU", d => d.HardwareId("PNP0F13").CurrentResources(r => r.Irq(12)));
    }

    private static void AddSerialPort(Aml bus, AcpiSerialPort port)
        => bus.Device($"COM{port.Number}", d => d.HardwareId("PNP0501").Name("_UID", (ulong)port.Number)
            .CurrentResources(r => r.Io(port.Port, 8).Irq(port.Irq)));

    private static void AddPorts(Aml bus, string name, string id, ushort port, byte count)
        => bus.Device(name, d => d.HardwareId(id).Name("_STA", StatusPresent).CurrentResources(r => r.Io(port, count)));
}
