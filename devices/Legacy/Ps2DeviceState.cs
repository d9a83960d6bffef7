namespace Vmm.Devices.Legacy;

/// <summary>A device behind an <see cref="I8042"/>.</summary>
public sealed record Ps2DeviceState
{
    /// <summary>Bytes on their way to the host, oldest first; 16 at most.</summary>
    public required byte[] Queue { get; init; }

    /// <summary>The command that waits for its parameter; 0: none.</summary>
    public byte PendingCommand { get; init; }
    public bool IsEnabled { get; init; }

    /// <summary>Keyboard: scan code set. Mouse: resolution.</summary>
    public byte Setting { get; init; }

    /// <summary>Keyboard: LEDs. Mouse: samples each second.</summary>
    public byte Rate { get; init; }
}
