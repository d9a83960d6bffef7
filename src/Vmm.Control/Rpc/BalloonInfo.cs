using PolyType;
using Vmm.Devices.Virtio.Balloon;

namespace Vmm.Control.Rpc;

/// <summary>A guest's memory balloon.</summary>
/// <param name="Id">The device.</param>
/// <param name="TargetBytes">What it is to take from the guest.</param>
/// <param name="ActualBytes">What the guest says is in it.</param>
/// <param name="InflatedBytes">What the guest put in since its last start, in all.</param>
/// <param name="DeflatedBytes">What the guest took out again, in all.</param>
/// <param name="ReportedBytes">Free memory that the guest gave back without the balloon, in all.</param>
/// <param name="RefusedPages">Pages that are no RAM, or that the host did not take.</param>
/// <param name="Guest">What the guest says of its memory; null before it says something.</param>
[TypeShape(Kind = TypeShapeKind.None)]
public sealed record BalloonInfo(string Id, ulong TargetBytes, ulong ActualBytes, ulong InflatedBytes, ulong DeflatedBytes, ulong ReportedBytes, ulong RefusedPages,
    GuestMemoryStatistics? Guest);
