using PolyType;
using Vmm.Devices.Virtio.Block;
using Vmm.Machine.Config;

namespace Vmm.Control.Rpc;

/// <summary>A disk of a domain.</summary>
/// <param name="Id">By which it is spoken of.</param>
/// <param name="Slot">Its place on the bus.</param>
/// <param name="Path">The image; null where another process has it.</param>
/// <param name="Format">The image's format.</param>
/// <param name="SizeBytes">What the guest sees.</param>
/// <param name="IsReadOnly">The guest cannot write.</param>
/// <param name="IsSnapshot">What the guest writes is thrown away at the end.</param>
/// <param name="Cache">Where writes may wait.</param>
/// <param name="Limits">How fast the guest may use it; null: without a limit.</param>
/// <param name="Statistics">What it has done since then; null where that is not known.</param>
/// <param name="StatisticsSince">From when on the statistics count: the device's coming to the domain. Resets of the guest do not begin them anew.</param>
/// <param name="IsLeaving">The guest is asked to let it go and has not done so yet.</param>
[TypeShape(Kind = TypeShapeKind.None)]
public sealed record DiskEntry(string Id, int Slot, string? Path, string? Format, ulong SizeBytes, bool IsReadOnly, bool IsSnapshot, DiskCache Cache, LimitSettings? Limits,
    VirtioBlockStatistics? Statistics, DateTimeOffset StatisticsSince, bool IsLeaving);
