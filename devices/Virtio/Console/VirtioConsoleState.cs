namespace Vmm.Devices.Virtio.Console;

/// <summary>State of a <see cref="VirtioConsole"/>; the transport keeps that of the queues.</summary>
public sealed record VirtioConsoleState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;
    public ushort Columns { get; init; }
    public ushort Rows { get; init; }
}
