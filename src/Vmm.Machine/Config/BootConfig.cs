using Vmm.Firmware.Boot;

namespace Vmm.Machine.Config;

/// <summary>What the machine starts with.</summary>
public sealed record BootConfig
{
    /// <summary>What a kernel gets when no command line is given: its console is the first serial port.</summary>
    public const string DefaultCommandLine = "console=ttyS0";

    /// <summary>The command line where the first virtio console is the terminal.</summary>
    public const string VirtioCommandLine = "console=hvc0";

    /// <summary>A bzImage or ELF kernel.</summary>
    public required string Kernel { get; init; }

    /// <summary>The initial ramdisk; null for none.</summary>
    public string? Initrd { get; init; }

    /// <summary>The kernel's command line.</summary>
    public string CommandLine { get; init; } = DefaultCommandLine;

    /// <summary>How the kernel is entered.</summary>
    public BootProtocol Protocol { get; init; } = BootProtocol.Auto;

    /// <summary>Whether a compressed kernel is unpacked by the host where that is possible, for a faster start.</summary>
    public bool Unpack { get; init; } = true;
}
