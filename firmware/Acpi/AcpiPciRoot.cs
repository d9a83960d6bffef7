namespace Vmm.Firmware.Acpi;

/// <summary>
/// The PCI host bridge in the DSDT: bus range, windows and interrupt routing (PCI Firmware 3.2 §4; ACPI 6.5 §6.2.13), and the
/// configuration window that the MCFG table names, reserved as the specification demands (PCI Firmware 3.2 §4.1.2).
/// </summary>
public sealed record AcpiPciRoot : IAmlContributor
{
    private static readonly Guid OscUuid = new("33db4d5b-1ff7-401c-9657-7441c03dd766");

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

    /// <summary>The hot-plug controller; null where devices stay as they are.</summary>
    public AcpiPciHotPlug? HotPlug { get; init; }

    /// <inheritdoc/>
    public void Contribute(Aml systemBus)
    {
        if (LinkGsis.Count != PinCount) throw new ArgumentException("a PCI root has four interrupt links");
        systemBus.Device("PCI0", root =>
        {
            root.HardwareId("PNP0A08").Name("_CID", id => id.Id("PNP0A03")).Name("_UID", 0).Name("_SEG", 0).Name("_BBN", 0);
            root.CurrentResources(Windows);
            root.Name("_PRT", Routing);
            AddControlMethod(root);
            HotPlug?.AddSlots(root);
        });
        systemBus.Device("MCFR", reserved => reserved.HardwareId("PNP0C02").Name("_UID", 0)
            .CurrentResources(r => r.Memory32(EcamAddress, (LastBus + 1u) * EcamBytesPerBus)));
    }

    /// <summary>Objects outside \_SB.</summary>
    internal void ContributeEvents(Aml root) => HotPlug?.AddEvent(root, "\\_SB.PCI0");

    /// <summary>
    /// _OSC (PCI Firmware 3.2 §4.5.1): the system may have everything but hot-plug, which is done here, through ACPI.
    /// </summary>
    private static void AddControlMethod(Aml root) => root.Method("_OSC", 4, isSerialized: true, method =>
    {
        // Arguments: UUID, revision, count of doublewords, buffer. The buffer: status, support, control.
        const int Uuid = 0, RevisionArgument = 1, Buffer = 3;
        method.CreateDWordField(b => b.Argument(Buffer), 0, "CDW1");
        method.If(v => v.Equal(a => a.Argument(Uuid), b => b.Uuid(OscUuid)), known =>
        {
            known.CreateDWordField(b => b.Argument(Buffer), 2 * sizeof(uint), "CDW3");
            known.And(v => v.Reference("CDW3"), v => v.Integer((ulong)OscControl.Granted), t => t.Local(0));
            known.If(v => v.Not(n => n.Equal(a => a.Argument(RevisionArgument), b => b.Integer(1))), Report(OscStatus.UnrecognizedRevision));
            known.If(v => v.Not(n => n.Equal(a => a.Reference("CDW3"), b => b.Local(0))), Report(OscStatus.CapabilitiesMasked));
            known.Store(v => v.Local(0), t => t.Reference("CDW3"));
        });
        method.Else(Report(OscStatus.UnrecognizedUuid));
        method.Return(v => v.Argument(Buffer));
    });

    private static Action<Aml> Report(OscStatus status)
        => aml => aml.Or(v => v.Reference("CDW1"), v => v.Integer((ulong)status), t => t.Reference("CDW1"));

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

    /// <summary>The first doubleword of _OSC's buffer on return (ACPI 6.5 §6.2.12).</summary>
    [Flags]
    private enum OscStatus : uint
    {
        UnrecognizedUuid = 1 << 2,
        UnrecognizedRevision = 1 << 3,
        CapabilitiesMasked = 1 << 4,
    }

    /// <summary>The control field of _OSC.</summary>
    [Flags]
    private enum OscControl : uint
    {
        PowerManagementEvents = 1 << 2,
        AdvancedErrorReporting = 1 << 3,
        CapabilityStructure = 1 << 4,
        Granted = PowerManagementEvents | AdvancedErrorReporting | CapabilityStructure,
    }
}
