namespace Vmm.Devices.Chipset;

/// <summary>State of an <see cref="I8259Pic"/>.</summary>
public sealed record I8259PicState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;
    public required I8259ChipState Master { get; init; }
    public required I8259ChipState Slave { get; init; }
}
