namespace Vmm.Devices.Virtio.Transport;

/// <summary>A write that kicks a queue, in the terms of a hypervisor's doorbell.</summary>
/// <param name="Address">Guest-physical.</param>
/// <param name="Match">The value written; null for any.</param>
/// <param name="SizeBytes">Its width; 0 for any.</param>
public readonly record struct VirtioDoorbell(ulong Address, uint? Match, int SizeBytes);
