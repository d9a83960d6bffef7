namespace Vmm.Machine.Snapshot;

/// <summary>Where a device stood.</summary>
internal sealed record SavedDevice
{
    public required string Id { get; init; }

    public required string Kind { get; init; }

    /// <summary>Its device number on the PCI bus, or its place among the memory-mapped ones.</summary>
    public int Slot { get; init; }

    /// <summary>The guest was asked to let it go.</summary>
    public bool IsLeaving { get; init; }
}
