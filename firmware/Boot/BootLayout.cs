namespace Vmm.Firmware.Boot;

/// <summary>
/// Where the first things lie in guest-physical memory. Everything below <see cref="HighMemory"/> is read by the kernel before it hands
/// out memory there (Linux keeps the first MiB for itself until late).
/// </summary>
public static class BootLayout
{
    /// <summary>The global descriptor table.</summary>
    public const ulong Gdt = 0x500;

    /// <summary>hvm_start_info, then its memory map and module list.</summary>
    public const ulong StartInfo = 0x6000;

    /// <summary>struct boot_params, the "zero page".</summary>
    public const ulong BootParams = 0x7000;

    /// <summary>The stack at entry grows down from here.</summary>
    public const ulong StackTop = 0x9000;

    /// <summary>PML4, PDPT and four page directories: 4 GiB mapped one to one with 2 MiB pages.</summary>
    public const ulong PageTables = 0x9000;

    /// <summary>The command line.</summary>
    public const ulong CommandLine = 0x20000;

    /// <summary>The most bytes of a command line with its terminating zero, whatever the kernel allows.</summary>
    public const int CommandLineMaxBytes = 0x10000;

    /// <summary>End of conventional memory: the extended BIOS data area.</summary>
    public const ulong Ebda = 0x9fc00;

    /// <summary>The VGA window and option ROMs up to <see cref="FirmwareTables"/>.</summary>
    public const ulong VideoWindow = 0xa0000;

    /// <summary>ACPI tables; an operating system looks for the RSDP from here on (ACPI 6.5 §5.2.5.1).</summary>
    public const ulong FirmwareTables = 0xe0000;

    /// <summary>SMBIOS entry point and table; inside 0xf0000–0xfffff (SMBIOS 3.6 §5.2).</summary>
    public const ulong SmbiosTables = 0xfe000;

    /// <summary>1 MiB: kernels lie from here on.</summary>
    public const ulong HighMemory = 0x100000;

    /// <summary>4 GiB.</summary>
    public const ulong FourGiB = 1UL << 32;
}
