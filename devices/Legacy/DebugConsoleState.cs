namespace Vmm.Devices.Legacy;

/// <summary>State of a <see cref="DebugConsole"/>.</summary>
public sealed record DebugConsoleState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;

    /// <summary>The line that is not complete yet.</summary>
    public required byte[] Line { get; init; }
}
