namespace Vmm.Devices.Virtio.Pmem;

/// <summary>State of a <see cref="VirtioPmem"/>: where its memory lies; the transport keeps that of the queue.</summary>
public sealed record VirtioPmemState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;

    public ulong Start { get; init; }

    public ulong SizeBytes { get; init; }
}
