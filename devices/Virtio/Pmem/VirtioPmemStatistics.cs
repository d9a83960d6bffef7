namespace Vmm.Devices.Virtio.Pmem;

/// <summary>What a persistent memory has done since it was made. One flush can serve many requests.</summary>
public readonly record struct VirtioPmemStatistics(ulong Requests, ulong Flushes, ulong Errors);
