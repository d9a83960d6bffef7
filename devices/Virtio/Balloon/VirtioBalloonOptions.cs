namespace Vmm.Devices.Virtio.Balloon;

/// <summary>How a <see cref="VirtioBalloon"/> is made.</summary>
public sealed record VirtioBalloonOptions
{
    /// <summary>What the balloon is to take from the guest; rounded down to whole pages.</summary>
    public ulong TargetBytes { get; init; }

    /// <summary>How often the guest is asked for its statistics; 0 for never.</summary>
    public long StatisticsIntervalNs { get; init; }

    /// <summary>Offer the guest to give back pages that it has freed, without a balloon.</summary>
    public bool Reporting { get; init; }

    /// <summary>Offer the guest to take pages out of the balloon before it runs out of memory.</summary>
    public bool DeflateOnOom { get; init; }
}
