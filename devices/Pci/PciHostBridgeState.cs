namespace Vmm.Devices.Pci;

/// <summary>State of a <see cref="PciHostBridge"/>; its function has its own.</summary>
public sealed record PciHostBridgeState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;
    public uint ConfigAddress { get; init; }
}
