using Vmm.Core.Backends;
using Vmm.Core.Hypervisor;
using Vmm.Core.Interrupts;
using Vmm.Core.Memory;
using Vmm.Devices.Chipset;
using Vmm.Devices.Legacy;
using Vmm.Firmware.Acpi;
using Vmm.Firmware.Boot;
using Vmm.Firmware.Smbios;
using Vmm.Machine.Config;
using Vmm.Machine.Devices;
using Vmm.Machine.Snapshot;

namespace Vmm.Machine.Build;

/// <summary>Puts a board together, in this order: CPUs' side with its interrupt controllers, chipset, serial ports, PCI devices, firmware tables and kernel, vCPUs.</summary>
internal static class BoardBuilder
{
    private const int SciGsi = 9;
    private const int RtcIrq = 8;
    private const int KeyboardIrq = 1;
    private const int MouseIrq = 12;

    private static readonly (ushort Port, int Irq)[] SerialPorts = [(0x3f8, 4), (0x2f8, 3), (0x3e8, 4), (0x2e8, 3)];

    /// <exception cref="BootException">The guest does not fit.</exception>
    /// <exception cref="HypervisorException">The host refused.</exception>
    /// <exception cref="Core.State.StateException">What was saved does not fit.</exception>
    public static void Build(Board board, MachineConfig config, ICpuPlatform platform, SerialBackends serial, Attachments attachments, Action ejected, BootLoader loader, Action<string> note, bool isFirst, SnapshotReader? saved)
    {
        IVirtualMachine machine = board.Machine = board.Own(platform.CreateMachine(board));
        board.Virtio = new VirtioTransports(machine);
        // What is restored must not begin anything before all of it is.
        if (saved is not null) board.Virtio.Hold();
        AddChipset(board, machine.Interrupts, config);
        AddSerialPorts(board, machine.Interrupts, serial.Ports);
        AddDebugConsole(board, serial.DebugConsole);
        ILookup<VirtioTransportKind, PluggedDevice> devices = attachments.All.ToLookup(device => device.Config.Transport);
        board.Pci = board.Own(new PciHost(board, machine.Interrupts, [.. devices[VirtioTransportKind.Pci]], ejected, note));
        VirtioMmioHost mmio = board.Own(new VirtioMmioHost(board, machine.Interrupts, devices[VirtioTransportKind.Mmio], note));
        VcpuState? bootProcessor = saved is null ? LoadGuest(board, config, serial.Ports.Count, mmio.Acpi, loader, isFirst ? note : _ => { }) : null;
        for (int i = 0; i < config.Vcpus; i++) board.AddVcpu(machine, i);
        if (bootProcessor is not null) board.Vcpus[0].Execute(vcpu => vcpu.Apply(bootProcessor));
        else board.Restore(saved!, platform);
    }

    private static void AddChipset(Board board, IInterruptController interrupts, MachineConfig config)
    {
        PmTimer pmTimer = new(board.Clock);
        AcpiPm acpi = board.Acpi = new(interrupts.Line(SciGsi), board, pmTimer, board.Clock);
        board.States.Add("pm-timer", pmTimer, static () => SnapshotJson.Default.PmTimerState);
        board.States.Add("acpi", acpi, static () => SnapshotJson.Default.AcpiPmState);
        board.Ports.Attach(AcpiPm.DefaultPort, AcpiPm.EventBytes, acpi, AcpiPm.EventRegion, "ACPI PM1 events");
        board.Ports.Attach(AcpiPm.DefaultPort + AcpiPm.EventBytes, AcpiPm.ControlBytes, acpi, AcpiPm.ControlRegion, "ACPI PM1 control");
        board.Ports.Attach(AcpiPm.DefaultPort + 2 * AcpiPm.EventBytes, PmTimer.PortCount, pmTimer, name: "ACPI PM timer");
        board.Ports.Attach(AcpiPm.DefaultGpePort, AcpiPm.GpeBytes, acpi, AcpiPm.GpeRegion, "ACPI GPE0");
        board.Ports.Attach(PvPanic.Port, 1, new PvPanic(board), name: "pvpanic");
        CmosMemorySize memory = new(Math.Min(config.MemoryBytes, Host.GuestMemoryLayout.LowRamLimit),
            config.MemoryBytes - Math.Min(config.MemoryBytes, Host.GuestMemoryLayout.LowRamLimit));
        Mc146818Rtc rtc = new(interrupts.Line(RtcIrq), board.Clock, memory);
        board.States.Add("rtc", rtc, static () => SnapshotJson.Default.Mc146818RtcState);
        board.Ports.Attach(Mc146818Rtc.Port, Mc146818Rtc.PortCount, rtc, name: "RTC");
        A20Gate a20 = new();
        I8042 keyboard = new(interrupts.Line(KeyboardIrq), interrupts.Line(MouseIrq), board, a20);
        board.States.Add("i8042", keyboard, static () => SnapshotJson.Default.I8042State);
        board.Ports.Attach(I8042.DataPort, 1, keyboard, I8042.DataRegion, "i8042 data");
        board.Ports.Attach(I8042.CommandPort, 1, keyboard, I8042.CommandRegion, "i8042 command");
        board.Ports.Attach(SystemControlPortA.Port, 1, new SystemControlPortA(a20, board), name: "system control port A");
        board.Ports.Attach(PostCodePort.Port, 1, new PostCodePort(), name: "POST codes");
    }

    private static void AddSerialPorts(Board board, IInterruptController interrupts, IReadOnlyList<ICharBackend> backends)
    {
        // COM1 and COM3 share a wire, and so do COM2 and COM4.
        Dictionary<int, SharedLine> wires = [];
        for (int i = 0; i < backends.Count; i++)
        {
            (ushort port, int irq) = SerialPorts[i];
            if (!wires.TryGetValue(irq, out SharedLine? wire)) wires[irq] = wire = new SharedLine(interrupts.Line(irq));
            Uart16550 uart = new(wire.NewInput(), backends[i], board.Clock);
            board.States.Add($"com{i + 1}", uart, static () => SnapshotJson.Default.Uart16550State);
            board.Ports.Attach(port, Uart16550.PortCount, uart, name: $"COM{i + 1}");
        }
    }

    private static void AddDebugConsole(Board board, ICharBackend? backend)
    {
        if (backend is null) return;
        DebugConsole console = new(backend);
        board.States.Add("debug-console", console, static () => SnapshotJson.Default.DebugConsoleState);
        board.Ports.Attach(DebugConsole.BochsPort, 1, console, name: "debug console");
        board.Ports.Attach(DebugConsole.FirmwarePort, 1, console, name: "debug console");
    }

    private static VcpuState LoadGuest(Board board, MachineConfig config, int serialPorts, IReadOnlyList<IAmlContributor> devices, BootLoader loader, Action<string> note)
    {
        GuestAddress rsdp = AcpiTables.Write(board.Memory, new AcpiOptions
        {
            VcpuCount = config.Vcpus,
            Pm1EventPort = AcpiPm.DefaultPort,
            Pm1ControlPort = AcpiPm.DefaultPort + AcpiPm.EventBytes,
            PmTimerPort = AcpiPm.DefaultPort + 2 * AcpiPm.EventBytes,
            Gpe0Port = AcpiPm.DefaultGpePort,
            PvPanicPort = PvPanic.Port,
            SoftOffSleepType = AcpiPm.S5SleepType,
            ResetPort = ResetControl.Port,
            ResetValue = ResetControl.ResetValue,
            SciGsi = SciGsi,
            PciRoot = PciHost.Acpi,
            Contributors = devices,
            SerialPorts = [.. Enumerable.Range(0, serialPorts).Select(i => new AcpiSerialPort(i + 1, SerialPorts[i].Port, SerialPorts[i].Irq))],
        });
        SmbiosTables.Write(board.Memory, new SmbiosOptions { VcpuCount = config.Vcpus });
        BootPlan plan = loader.Load(board.Memory, rsdp);
        foreach (string line in plan.Notes) note(line);
        return plan.BootProcessor;
    }
}
