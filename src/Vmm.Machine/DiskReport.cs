using Vmm.Core.Time;
using Vmm.Devices.Virtio.Block;
using Vmm.Machine.Config;

namespace Vmm.Machine;

/// <summary>A disk of a machine as it stands.</summary>
/// <param name="Config">As it was asked for.</param>
/// <param name="Slot">Its device number on PCI bus 0.</param>
/// <param name="IsLeaving">The guest is asked to let it go and has not done so yet.</param>
/// <param name="SizeBytes">What the guest sees.</param>
/// <param name="Limits">How fast the guest may use it.</param>
/// <param name="Statistics">What it has done; null where that is not known.</param>
/// <param name="Since">From when on that counts: its coming to the machine, through all resets of the guest.</param>
public sealed record DiskReport(DiskConfig Config, int Slot, bool IsLeaving, ulong SizeBytes, RateLimits Limits, VirtioBlockStatistics? Statistics, DateTimeOffset Since);
