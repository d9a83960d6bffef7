namespace Vmm.Devices.Legacy;

/// <summary>State of an <see cref="I8042"/>.</summary>
public sealed record I8042State
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;
    public byte Mode { get; init; }

    /// <summary>The command that waits for its parameter; 0: none.</summary>
    public byte PendingCommand { get; init; }
    public bool LastWriteWasCommand { get; init; }

    /// <summary>The output buffer, null when empty.</summary>
    public byte? Output { get; init; }

    /// <summary>The output buffer came from the auxiliary port.</summary>
    public bool OutputIsAux { get; init; }
    public bool A20 { get; init; }
    public required Ps2DeviceState Keyboard { get; init; }
    public required Ps2DeviceState Mouse { get; init; }
}
