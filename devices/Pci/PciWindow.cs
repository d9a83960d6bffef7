namespace Vmm.Devices.Pci;

/// <summary>A range of addresses that the root bus passes on to its functions.</summary>
public readonly record struct PciWindow(ulong Start, ulong SizeBytes)
{
    /// <summary>Whether a range lies in it.</summary>
    public bool Contains(ulong start, ulong sizeBytes) => start >= Start && sizeBytes <= SizeBytes && start - Start <= SizeBytes - sizeBytes;
}
