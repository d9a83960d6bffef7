namespace Vmm.Firmware.Acpi;

/// <summary>What the ACPI tables tell of a machine. The values given are those of the machine's devices; the defaults are a PC's.</summary>
public sealed record AcpiOptions
{
    /// <summary>Processors; local APIC ids are 0 to one less.</summary>
    public required int VcpuCount { get; init; }

    /// <summary>PM1a event block: status, then enable, two bytes each (ACPI 6.5 §4.8.3.1).</summary>
    public ushort Pm1EventPort { get; init; } = 0x600;

    /// <summary>PM1a control block, two bytes (ACPI 6.5 §4.8.3.2).</summary>
    public ushort Pm1ControlPort { get; init; } = 0x604;

    /// <summary>PM timer, four bytes, 32 bits wide (ACPI 6.5 §4.8.3.3).</summary>
    public ushort PmTimerPort { get; init; } = 0x608;

    /// <summary>GPE0 block: two bytes of status, two of enable (ACPI 6.5 §4.8.4.1); null where there is none.</summary>
    public ushort? Gpe0Port { get; init; }

    /// <summary>What SLP_TYP must hold for the soft-off state.</summary>
    public byte SoftOffSleepType { get; init; } = 5;

    /// <summary>The reset register, one byte.</summary>
    public ushort ResetPort { get; init; } = 0xcf9;

    /// <summary>What is written there to reset.</summary>
    public byte ResetValue { get; init; } = 6;

    /// <summary>The system control interrupt: an ISA interrupt, level, active high.</summary>
    public int SciGsi { get; init; } = 9;

    /// <summary>Where the local APICs are seen.</summary>
    public uint LocalApicAddress { get; init; } = 0xfee00000;

    /// <summary>Where the I/O APIC is seen; its first input is GSI 0.</summary>
    public uint IoApicAddress { get; init; } = 0xfec00000;

    /// <summary>The id in the I/O APIC's own register.</summary>
    public byte IoApicId { get; init; }

    /// <summary>The GSI that the 8254's output reaches.</summary>
    public int TimerGsi { get; init; } = 2;

    /// <summary>True where there is an i8042 with keyboard and mouse.</summary>
    public bool HasKeyboardController { get; init; } = true;

    /// <summary>True where there is an MC146818 at port 0x70.</summary>
    public bool HasRtc { get; init; } = true;

    /// <summary>True where a guest may probe for VGA.</summary>
    public bool HasVga { get; init; }

    /// <summary>Where a pvpanic device stands (_HID QEMU0001); null where there is none.</summary>
    public ushort? PvPanicPort { get; init; }

    /// <summary>First of the twelve ports of a fw_cfg device (_HID QEMU0002); null where there is none.</summary>
    public ushort? FwCfgPort { get; init; }

    /// <summary>Serial ports to name.</summary>
    public IReadOnlyList<AcpiSerialPort> SerialPorts { get; init; } = [];

    /// <summary>The PCI root; null where there is none.</summary>
    public AcpiPciRoot? PciRoot { get; init; }

    /// <summary>Further devices under \_SB.</summary>
    public IReadOnlyList<IAmlContributor> Contributors { get; init; } = [];
}
