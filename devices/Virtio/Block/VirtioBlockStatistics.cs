namespace Vmm.Devices.Virtio.Block;

/// <summary>What a disk has done since it was made. Failed requests count as errors only.</summary>
public readonly record struct VirtioBlockStatistics(ulong Reads, ulong Writes, ulong ReadBytes, ulong WrittenBytes, ulong Flushes, ulong Discards, ulong ZeroedRanges, ulong Errors);
