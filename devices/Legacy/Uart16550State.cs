namespace Vmm.Devices.Legacy;

/// <summary>State of a <see cref="Uart16550"/>.</summary>
public sealed record Uart16550State
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;
    public byte Ier { get; init; }
    public byte Fcr { get; init; }
    public byte Lcr { get; init; }
    public byte Mcr { get; init; }

    /// <summary>Error bits of LSR.</summary>
    public byte LineErrors { get; init; }
    public byte Msr { get; init; }
    public byte Scr { get; init; }
    public ushort Divisor { get; init; }

    /// <summary>Received bytes that wait, oldest first; 16 at most.</summary>
    public required byte[] Received { get; init; }

    /// <summary>Which of them are breaks that LSR has not shown yet, bit 0 the oldest.</summary>
    public ushort Breaks { get; init; }

    /// <summary>The transmitter-empty interrupt waits for its acknowledgement.</summary>
    public bool TransmitterEmptyPending { get; init; }

    /// <summary>The character-timeout interrupt waits.</summary>
    public bool TimedOut { get; init; }
}
