namespace Vmm.Devices.Virtio.Balloon;

/// <summary>What a guest says of its memory (virtio 1.2 §5.5.6.4); null for what it does not say. Nobody vouches for it.</summary>
public sealed record GuestMemoryStatistics
{
    /// <summary>Machine time at which it came.</summary>
    public long TakenNs { get; init; }

    /// <summary>Bytes swapped in.</summary>
    public ulong? SwapInBytes { get; init; }

    /// <summary>Bytes swapped out.</summary>
    public ulong? SwapOutBytes { get; init; }

    /// <summary>Page faults that waited for a disk.</summary>
    public ulong? MajorFaults { get; init; }

    /// <summary>Page faults that did not.</summary>
    public ulong? MinorFaults { get; init; }

    /// <summary>Bytes that nothing uses.</summary>
    public ulong? FreeBytes { get; init; }

    /// <summary>Bytes that the guest has, without its balloon.</summary>
    public ulong? TotalBytes { get; init; }

    /// <summary>Bytes that a program could get without swapping.</summary>
    public ulong? AvailableBytes { get; init; }

    /// <summary>Bytes of caches.</summary>
    public ulong? CacheBytes { get; init; }

    /// <summary>Huge pages that were had.</summary>
    public ulong? HugePagesTaken { get; init; }

    /// <summary>Huge pages that could not be had.</summary>
    public ulong? HugePagesRefused { get; init; }
}
