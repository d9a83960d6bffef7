namespace Vmm.Firmware.Acpi;

/// <summary>
/// The PCI host bridge in the DSDT: bus range, windows and interrupt routing (PCI Firmware 3.2 §4; ACPI 6.5 §6.2.13), and the
/// configuration window that the MCFG table names, reserved as the specification demands (PCI Firmware 3.2 §4.1.2).
/// </summary>
public sealed record AcpiPciRoot : IAmlContributor
{
    private const int DeviceCount = 32;
    private const int PinCount = 4;
    private const uint AllFunctions = 0xffff;
    private const ushort FirstConfigPort = 0xcf8;
    private const byte ConfigPorts = 8;

    /// <summary>Bytes of configuration window for each bus.</summary>
    internal const uint EcamBytesPerBus = 1 << 20;

    /// <summary>The last bus number; the first is 0.</summary>
    public byte LastBus { get; init; }

    /// <summary>Where the memory-mapped configuration window begins.</summary>
    public required uint EcamAddress { get; init; }

    /// <summary>The memory window below 4 GiB.</summary>
    public required uint Memory32Start { get; init; }

    public required uint Memory32Bytes { get; init; }

    /// <summary>The memory window above RAM; no bytes where there is none.</summary>
    public ulong Memory64Start { get; init; }

    public ulong Memory64Bytes { get; init; }

    /// <summary>The GSIs of the four interrupt links: pin p of device d reaches link (d + p) mod 4, counted from 0.</summary>
    public required IReadOnlyList<int> LinkGsis { get; init; }

    /// <inheritdoc/>
    public void Contribute(Aml systemBus)
    {
        if (LinkGsis.Count != PinCount) throw new ArgumentException("a PCI root has four interrupt links");
        systemBus.Device("PCI0", root =>
        {
            root.HardwareId("PNP0A08").Name("_CID", id => id.Id("PNP0A03")).Name("_UID", 0).Name("_SEG", 0).Name("_BBN", 0);
            root.CurrentResources(Windows);
            root.Name("_PRT", Routing);
        });
        systemBus.Device("MCFR", reserved => reserved.HardwareId("PNP0C02").Name("_UID", 0)
            .CurrentResources(r => r.Memory32(EcamAddress, (LastBus + 1u) * EcamBytesPerBus)));
    }

    private void Windows(ResourceTemplate resources)
    {
        const ushort AfterConfigPorts = FirstConfigPort + ConfigPorts;
        resources.BusNumbers(0, LastBus).Io(FirstConfigPort, ConfigPorts);
        resources.PortWindow(0, FirstConfigPort - 1).PortWindow(AfterConfigPorts, ushort.MaxValue);
        resources.MemoryWindow(Memory32Start, Memory32Bytes);
        if (Memory64Bytes != 0) resources.MemoryWindow(Memory64Start, Memory64Bytes);
    }

    private void Routing(Aml table)
    {
        List<Action<Aml>> entries = [];
        for (uint device = 0; device < DeviceCount; device++)
        {
            for (uint pin = 0; pin < PinCount; pin++)
            {
                ulong address = (device << 16) | AllFunctions, number = pin, gsi = (ulong)LinkGsis[(int)((device + pin) % PinCount)];
                entries.Add(entry => entry.Package(address, number, 0UL, gsi));
            }
        }

        table.Package([.. entries]);
    }
}
