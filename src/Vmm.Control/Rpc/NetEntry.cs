using PolyType;
using Vmm.Devices.Virtio.Net;

namespace Vmm.Control.Rpc;

/// <summary>A network device of a domain.</summary>
/// <param name="Id">By which it is spoken of.</param>
/// <param name="Slot">Its place on the bus.</param>
/// <param name="Link">Where its link ends: "user", "tap" or "stream".</param>
/// <param name="Interface">The interface of the host, of a TAP link.</param>
/// <param name="Bridge">The bridge that it joined, of a TAP link.</param>
/// <param name="Mac">The guest's address.</param>
/// <param name="Mtu">The most bytes of a packet, where the guest is told.</param>
/// <param name="IsLinkUp">The cable is in.</param>
/// <param name="Capture">Where its frames are recorded; null for nowhere.</param>
/// <param name="ReceiveLimits">What the guest may receive; null: without a limit.</param>
/// <param name="SendLimits">What the guest may send; null: without a limit.</param>
/// <param name="Statistics">What it has done since then; null where that is not known.</param>
/// <param name="StatisticsSince">From when on the statistics count: the device's coming to the domain. Resets of the guest do not begin them anew.</param>
/// <param name="IsLeaving">The guest is asked to let it go and has not done so yet.</param>
[TypeShape(Kind = TypeShapeKind.None)]
public sealed record NetEntry(string Id, int Slot, string Link, string? Interface, string? Bridge, string Mac, int? Mtu, bool IsLinkUp, string? Capture,
    LimitSettings? ReceiveLimits, LimitSettings? SendLimits, VirtioNetStatistics? Statistics, DateTimeOffset StatisticsSince, bool IsLeaving);
