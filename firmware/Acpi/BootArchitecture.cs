namespace Vmm.Firmware.Acpi;

/// <summary>IAPC_BOOT_ARCH of the FADT (ACPI 6.5 table 5.11).</summary>
[Flags]
internal enum BootArchitecture : ushort
{
    LEGACY_DEVICES = 1 << 0,
    I8042 = 1 << 1,
    VGA_NOT_PRESENT = 1 << 2,
    MSI_NOT_SUPPORTED = 1 << 3,
    CMOS_RTC_NOT_PRESENT = 1 << 5,
}
