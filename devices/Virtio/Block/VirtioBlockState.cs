namespace Vmm.Devices.Virtio.Block;

/// <summary>State of a <see cref="VirtioBlock"/>; the transport keeps that of the queues.</summary>
public sealed record VirtioBlockState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;

    /// <summary>The driver's choice of write-back over write-through.</summary>
    public bool IsWriteback { get; init; }

    /// <summary>The disk's size: what a driver found of it stays as it is.</summary>
    public ulong SizeBytes { get; init; }
}
