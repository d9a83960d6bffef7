using Vmm.Control.Domains;
using Vmm.Control.Rpc;

namespace Vmm.Cli.Domains;

/// <summary>A domain at one moment, with what its devices have done.</summary>
/// <param name="Status">The domain.</param>
/// <param name="Disks">Its disks.</param>
/// <param name="Nets">Its network devices.</param>
/// <param name="Tick">When, in milliseconds.</param>
internal sealed record TopSample(DomainStatus Status, IReadOnlyList<DiskEntry> Disks, IReadOnlyList<NetEntry> Nets, long Tick)
{
    private const double MillisecondsPerSecond = 1000, Percent = 100;

    /// <summary>All domains now.</summary>
    public static IReadOnlyList<TopSample> Take(IReadOnlyList<string> names) => [.. DomainStatus.Read(names).Select(Take)];

    /// <summary>Which part of a processor it has used since an earlier sample; without one, since its start.</summary>
    public double CpuPercent(TopSample? before)
    {
        double seconds = (Status.Info?.CpuSeconds ?? 0) - (before?.Status.Info?.CpuSeconds ?? 0);
        double time = before is null ? (DateTimeOffset.UtcNow - Status.Record.Created).TotalSeconds : (Tick - before.Tick) / MillisecondsPerSecond;
        return time > 0 ? Math.Max(0, seconds / time * Percent) : 0;
    }

    private static TopSample Take(DomainStatus status)
    {
        IReadOnlyList<DiskEntry> disks = [];
        IReadOnlyList<NetEntry> nets = [];
        try
        {
            (disks, nets) = DomainVerb.Ask(status.Folder, async (d, cancellation)
                => (await d.GetDisksAsync(cancellation).ConfigureAwait(false), await d.GetNetsAsync(cancellation).ConfigureAwait(false)));
        }
        catch (Exception e) when (e is DomainException or DomainRefusedException)
        {
            // It has ended in between.
        }

        return new(status, disks, nets, Environment.TickCount64);
    }
}
