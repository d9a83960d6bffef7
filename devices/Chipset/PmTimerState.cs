namespace Vmm.Devices.Chipset;

/// <summary>State of a <see cref="PmTimer"/>.</summary>
public sealed record PmTimerState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;

    /// <summary>Ticks since power-on, not cut to the counter's width.</summary>
    public ulong Ticks { get; init; }
}
