namespace Vmm.Devices.Pci;

/// <summary>State of a <see cref="PciHotPlug"/>; which devices there are is the configuration's.</summary>
public sealed record PciHotPlugState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;

    /// <summary>UP.</summary>
    public uint Arrived { get; init; }

    /// <summary>DOWN.</summary>
    public uint Leaving { get; init; }
}
