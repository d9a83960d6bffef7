namespace Vmm.Devices.Virtio.Queue;

/// <summary>State of a queue.</summary>
public sealed record VirtQueueState
{
    public ushort Size { get; init; }
    public ulong Descriptors { get; init; }
    public ulong Available { get; init; }
    public ulong Used { get; init; }
    public bool IsEnabled { get; init; }
    public bool IsRunning { get; init; }
    public bool IsBroken { get; init; }
    public ushort NextAvailable { get; init; }
    public ushort NextUsed { get; init; }
    public ushort SignalledUsed { get; init; }
}
