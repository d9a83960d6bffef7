using Vmm.Devices.Virtio.Block;
using Vmm.Devices.Virtio.Net;

namespace Vmm.Machine.Served;

/// <summary>A served device at one moment.</summary>
/// <param name="Device">Its id.</param>
/// <param name="SizeBytes">Of a disk.</param>
/// <param name="IsLinkUp">Of a network device: the cable is in, and the link itself is up.</param>
/// <param name="Disk">What it has done since its process began to serve it.</param>
/// <param name="Net">What it has done since its process began to serve it.</param>
internal sealed record ServedReport(string Device, ulong SizeBytes = 0, bool IsLinkUp = true, VirtioBlockStatistics Disk = default, VirtioNetStatistics Net = default);
