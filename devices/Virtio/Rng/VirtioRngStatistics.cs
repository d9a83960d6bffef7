namespace Vmm.Devices.Virtio.Rng;

/// <summary>What an entropy device has done since it was made.</summary>
/// <param name="Requests">Buffers that were filled.</param>
/// <param name="Bytes">Random bytes in them.</param>
public readonly record struct VirtioRngStatistics(ulong Requests, ulong Bytes);
