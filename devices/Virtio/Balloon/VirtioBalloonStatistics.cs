namespace Vmm.Devices.Virtio.Balloon;

/// <summary>What a <see cref="VirtioBalloon"/> has done.</summary>
/// <param name="TargetBytes">What the balloon is to take from the guest.</param>
/// <param name="ActualBytes">What the guest says is in it.</param>
/// <param name="InflatedBytes">What the guest put in, and the host got back, in all.</param>
/// <param name="DeflatedBytes">What the guest took out again, in all.</param>
/// <param name="ReportedBytes">Free memory that the guest reported, and the host got back, in all.</param>
/// <param name="RefusedPages">Pages that are no RAM, or that the host did not take.</param>
/// <param name="Guest">What the guest says of its memory; null before it says something.</param>
public readonly record struct VirtioBalloonStatistics(
    ulong TargetBytes, ulong ActualBytes, ulong InflatedBytes, ulong DeflatedBytes, ulong ReportedBytes, ulong RefusedPages, GuestMemoryStatistics? Guest);
