using System.Buffers.Binary;
using Vmm.Devices.Virtio.Queue;
using static Vmm.Devices.Virtio.Balloon.VirtioBalloonRegisters;

namespace Vmm.Devices.Virtio.Balloon;

/// <summary>Reads the statistics that a driver sends: tags and values, in any order (virtio 1.2 §5.5.6.4).</summary>
internal static class BalloonReport
{
    // There are ten tags; a driver may send some that are not known here.
    private const int MostStatistics = 32;

    public static GuestMemoryStatistics Read(VirtChain chain, long nowNs)
    {
        GuestMemoryStatistics report = new() { TakenNs = nowNs };
        Span<byte> statistic = stackalloc byte[StatisticBytes];
        ulong count = Math.Min(chain.ReadableBytes / StatisticBytes, MostStatistics);
        for (ulong i = 0; i < count && chain.TryRead(i * StatisticBytes, statistic); i++)
        {
            BalloonTag tag = (BalloonTag)BinaryPrimitives.ReadUInt16LittleEndian(statistic);
            report = With(report, tag, BinaryPrimitives.ReadUInt64LittleEndian(statistic[2..]));
        }

        return report;
    }

    private static GuestMemoryStatistics With(GuestMemoryStatistics report, BalloonTag tag, ulong value) => tag switch
    {
        BalloonTag.VIRTIO_BALLOON_S_SWAP_IN => report with { SwapInBytes = value },
        BalloonTag.VIRTIO_BALLOON_S_SWAP_OUT => report with { SwapOutBytes = value },
        BalloonTag.VIRTIO_BALLOON_S_MAJFLT => report with { MajorFaults = value },
        BalloonTag.VIRTIO_BALLOON_S_MINFLT => report with { MinorFaults = value },
        BalloonTag.VIRTIO_BALLOON_S_MEMFREE => report with { FreeBytes = value },
        BalloonTag.VIRTIO_BALLOON_S_MEMTOT => report with { TotalBytes = value },
        BalloonTag.VIRTIO_BALLOON_S_AVAIL => report with { AvailableBytes = value },
        BalloonTag.VIRTIO_BALLOON_S_CACHES => report with { CacheBytes = value },
        BalloonTag.VIRTIO_BALLOON_S_HTLB_PGALLOC => report with { HugePagesTaken = value },
        BalloonTag.VIRTIO_BALLOON_S_HTLB_PGFAIL => report with { HugePagesRefused = value },
        _ => report,
    };
}
