namespace Vmm.Devices.Chipset;

/// <summary>State of an <see cref="I8254Pit"/>.</summary>
public sealed record I8254PitState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;

    /// <summary>The three counters.</summary>
    public required PitCounterState[] Counters { get; init; }

    /// <summary>Port 0x61.</summary>
    public byte PortB { get; init; }

    /// <summary>Level of the interrupt wire.</summary>
    public bool Irq { get; init; }
}
