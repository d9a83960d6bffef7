namespace Vmm.Devices.Chipset;

/// <summary>State of a <see cref="Mc146818Rtc"/>.</summary>
public sealed record Mc146818RtcState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;

    /// <summary>128 bytes: registers and memory. The time registers count only while SET holds them.</summary>
    public required byte[] Registers { get; init; }

    /// <summary>The index register at port 0x70.</summary>
    public byte Index { get; init; }

    /// <summary>Guest time less wall-clock time, in 100 ns.</summary>
    public long OffsetTicks { get; init; }
}
