namespace Vmm.Devices.Chipset;

/// <summary>State of a <see cref="ResetControl"/>.</summary>
public sealed record ResetControlState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;
    public byte Value { get; init; }
}
