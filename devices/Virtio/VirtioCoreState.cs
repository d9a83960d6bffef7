using Vmm.Devices.Virtio.Queue;

namespace Vmm.Devices.Virtio;

/// <summary>State of what all transports share.</summary>
public sealed record VirtioCoreState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;
    public byte Status { get; init; }
    public ulong DriverFeatures { get; init; }
    public byte ConfigGeneration { get; init; }

    /// <summary>The configuration to which the generation belongs.</summary>
    public byte[] SeenConfig { get; init; } = [];

    public VirtQueueState[] Queues { get; init; } = [];
}
