namespace Vmm.Devices.Pci;

/// <summary>State of a <see cref="PciFunction"/>; its capabilities have their own.</summary>
public sealed record PciFunctionState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;
    public byte[] Config { get; init; } = [];

    /// <summary>Whether the function asks for its INTx wire.</summary>
    public bool Interrupt { get; init; }
}
