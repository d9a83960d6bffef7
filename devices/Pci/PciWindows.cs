namespace Vmm.Devices.Pci;

/// <summary>What the root bus decodes for its functions; the firmware's _CRS must say the same.</summary>
public sealed record PciWindows
{
    /// <summary>I/O ports, on top of the fixed devices.</summary>
    public PciWindow Io { get; init; } = new(0xd00, 0x1_0000 - 0xd00);

    /// <summary>Memory below 4 GiB.</summary>
    public required PciWindow Memory32 { get; init; }

    /// <summary>Memory above RAM; empty where there is none.</summary>
    public PciWindow Memory64 { get; init; }

    /// <summary>Whether a BAR of this kind can be decoded there.</summary>
    internal bool Allow(PciBarKind kind, ulong address, ulong sizeBytes)
        => kind == PciBarKind.Io ? Io.Contains(address, sizeBytes) : Memory32.Contains(address, sizeBytes) || Memory64.Contains(address, sizeBytes);
}
