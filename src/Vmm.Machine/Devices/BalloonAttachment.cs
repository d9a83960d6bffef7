using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Balloon;
using Vmm.Machine.Config;

namespace Vmm.Machine.Devices;

/// <summary>What is wanted of a guest's balloon, through all its lives.</summary>
internal sealed class BalloonAttachment(BalloonConfig config) : IAttachment
{
    private const long NsPerSecond = 1_000_000_000;

    private VirtioBalloon? _device;
    private ulong _target = config.TargetBytes;

    /// <inheritdoc/>
    public string Id => config.Id;

    /// <summary>What it has done in this life of the machine.</summary>
    public VirtioBalloonStatistics? Statistics => _device?.Statistics;

    /// <summary>Says how much it is to take from the guest.</summary>
    public void SetTarget(ulong bytes)
    {
        _target = bytes;
        _device?.SetTarget(bytes);
    }

    /// <inheritdoc/>
    public IVirtioDevice Create(IDeviceRoom room) => _device = new VirtioBalloon(room.Memory, new VirtioBalloonOptions
    {
        TargetBytes = _target,
        StatisticsIntervalNs = config.StatisticsSeconds * NsPerSecond,
        Reporting = config.Reporting,
        DeflateOnOom = config.DeflateOnOom,
    }, room.Clock, room.Workers);

    /// <inheritdoc/>
    public void Dispose() { }
}
