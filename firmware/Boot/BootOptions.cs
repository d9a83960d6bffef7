namespace Vmm.Firmware.Boot;

/// <summary>What is booted directly, without a BIOS.</summary>
public sealed record BootOptions
{
    /// <summary>A bzImage or an ELF kernel.</summary>
    public required string KernelPath { get; init; }

    /// <summary>The initial ramdisk; null for none.</summary>
    public string? InitrdPath { get; init; }

    /// <summary>The kernel's command line, without a terminating zero.</summary>
    public string CommandLine { get; init; } = "";

    /// <summary>The entry to use.</summary>
    public BootProtocol Protocol { get; init; } = BootProtocol.Auto;

    /// <summary>
    /// Unpack a bzImage's payload on the host where its compression is known (gzip, LZ4, zstd). The kernel's own decompressor does not
    /// run then, so the kernel stays at its linked address: no KASLR, as with <c>nokaslr</c>.
    /// </summary>
    public bool UnpackOnHost { get; init; } = true;
}
