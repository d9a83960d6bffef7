namespace Vmm.Firmware.Boot;

/// <summary>setup_header.xloadflags (boot.rst, protocol 2.12).</summary>
[Flags]
internal enum XLoadFlags : ushort
{
    None = 0,

    /// <summary>There is a 64-bit entry at 0x200.</summary>
    XLF_KERNEL_64 = 1 << 0,
    XLF_CAN_BE_LOADED_ABOVE_4G = 1 << 1,
    XLF_EFI_HANDOVER_32 = 1 << 2,
    XLF_EFI_HANDOVER_64 = 1 << 3,
    XLF_EFI_KEXEC = 1 << 4,
    XLF_5LEVEL = 1 << 5,
    XLF_5LEVEL_ENABLED = 1 << 6,
}
