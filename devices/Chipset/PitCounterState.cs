namespace Vmm.Devices.Chipset;

/// <summary>One counter of an <see cref="I8254Pit"/>.</summary>
public sealed record PitCounterState
{
    public byte Control { get; init; }

    /// <summary>The count in force, 1 to 65536; 0 when none was ever loaded.</summary>
    public int Count { get; init; }

    /// <summary>Input clocks since the count was loaded or the gate triggered.</summary>
    public long Elapsed { get; init; }
    public bool IsRunning { get; init; }
    public bool Gate { get; init; }
    public bool Triggered { get; init; }
    public byte WriteLow { get; init; }
    public bool WritesHighNext { get; init; }
    public bool ReadsHighNext { get; init; }
    public ushort? LatchedCount { get; init; }
    public byte? LatchedStatus { get; init; }
}
