namespace Vmm.Firmware.Boot;

/// <summary>How the kernel is entered.</summary>
public enum BootProtocol
{
    /// <summary>The 64-bit Linux entry where the image has one, PVH else.</summary>
    Auto,

    /// <summary>Linux's 64-bit entry: long mode, RSI = boot_params (Linux Documentation/arch/x86/boot.rst, "64-bit Boot Protocol").</summary>
    Linux64,

    /// <summary>The PVH entry: 32-bit protected mode, EBX = hvm_start_info (Xen docs/misc/pvh.pandoc).</summary>
    Pvh,
}
