namespace Vmm.Devices.Virtio.Console;

/// <summary>State of a <see cref="VirtioConsole"/>; the transport keeps that of the queues.</summary>
public sealed record VirtioConsoleState
{
    public const int CurrentVersion = 2;

    public int Version { get; init; } = CurrentVersion;

    /// <summary>The ports in their order.</summary>
    public VirtioConsolePortState[] Ports { get; init; } = [];
}
