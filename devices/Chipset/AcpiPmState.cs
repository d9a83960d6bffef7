namespace Vmm.Devices.Chipset;

/// <summary>State of an <see cref="AcpiPm"/>.</summary>
public sealed record AcpiPmState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;
    public ushort Status { get; init; }
    public ushort Enable { get; init; }
    public ushort Control { get; init; }
    public ushort GpeStatus { get; init; }
    public ushort GpeEnable { get; init; }
}
