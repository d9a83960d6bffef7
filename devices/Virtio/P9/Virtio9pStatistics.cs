namespace Vmm.Devices.Virtio.P9;

/// <summary>What a shared directory has done since it was made. Every message counts as a request; one that was answered with an error also as an error.</summary>
public readonly record struct Virtio9pStatistics(ulong Requests, ulong Reads, ulong Writes, ulong ReadBytes, ulong WrittenBytes, ulong Errors, int Fids);
