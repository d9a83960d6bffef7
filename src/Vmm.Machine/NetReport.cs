using Vmm.Core.Backends;
using Vmm.Core.Time;
using Vmm.Devices.Virtio.Net;
using Vmm.Machine.Config;

namespace Vmm.Machine;

/// <summary>A network device of a machine as it stands.</summary>
/// <param name="Config">As it was asked for.</param>
/// <param name="Slot">Its device number on PCI bus 0.</param>
/// <param name="IsLeaving">The guest is asked to let it go and has not done so yet.</param>
/// <param name="Mac">The guest's address.</param>
/// <param name="Mtu">What the guest is told; null for nothing.</param>
/// <param name="InterfaceName">The TAP device; null for another kind of link.</param>
/// <param name="IsLinkUp">The cable is in.</param>
/// <param name="Capture">Where frames are recorded; null for nowhere.</param>
/// <param name="ReceiveLimits">What the guest may receive.</param>
/// <param name="SendLimits">What the guest may send.</param>
/// <param name="Statistics">What it has done; null where that is not known.</param>
/// <param name="Since">From when on that counts: its coming to the machine, through all resets of the guest.</param>
public sealed record NetReport(NetConfig Config, int Slot, bool IsLeaving, MacAddress Mac, int? Mtu, string? InterfaceName, bool IsLinkUp, string? Capture,
    RateLimits ReceiveLimits, RateLimits SendLimits, VirtioNetStatistics? Statistics, DateTimeOffset Since);
