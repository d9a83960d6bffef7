namespace Vmm.Devices.Virtio.Balloon;

/// <summary>Numbers of the memory balloon device (virtio 1.2 §5.5).</summary>
internal static class VirtioBalloonRegisters
{
    public const ulong VIRTIO_BALLOON_F_STATS_VQ = 1UL << 1;
    public const ulong VIRTIO_BALLOON_F_DEFLATE_ON_OOM = 1UL << 2;
    public const ulong VIRTIO_BALLOON_F_PAGE_POISON = 1UL << 4;
    public const ulong VIRTIO_BALLOON_F_PAGE_REPORTING = 1UL << 5;

    public const int InflateQueue = 0;
    public const int DeflateQueue = 1;

    /// <summary>The statistics, when they were agreed; else what follows moves up.</summary>
    public const int StatisticsQueue = 2;

    // Offsets in the configuration (§5.5.4).
    public const int NumPages = 0;
    public const int Actual = 4;
    public const int PoisonValue = 12;
    public const int ConfigBytes = 16;

    /// <summary>The balloon counts pages of this size, whatever the guest's are.</summary>
    public const int PageShift = 12;

    public const int FrameNumberBytes = 4;
    public const int StatisticBytes = 10;
}
