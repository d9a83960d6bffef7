using Vmm.Devices.Virtio.Balloon;
using Vmm.Machine.Config;
using Vmm.Machine.Devices;

namespace Vmm.Machine;

/// <content>The guest's memory balloon.</content>
public sealed partial class GuestMachine
{
    /// <summary>What the balloon has done since the last reset, and what the guest says of its memory; null without a balloon.</summary>
    public VirtioBalloonStatistics? BalloonStatistics
    {
        get
        {
            lock (_life) return _board is null ? null : Balloon?.Statistics;
        }
    }

    private BalloonAttachment? Balloon => _attachments.All.Select(d => d.Attachment).OfType<BalloonAttachment>().FirstOrDefault();

    /// <summary>Says how much the balloon is to take from the guest. The guest does it as fast as it can, as far as it can.</summary>
    /// <exception cref="DeviceException">There is no balloon, or the guest has less memory.</exception>
    public void SetBalloonTarget(ulong bytes)
    {
        if (bytes > _config.MemoryBytes) throw new DeviceException($"a balloon of {SizeText.Format(bytes)} does not fit into {SizeText.Format(_config.MemoryBytes)}");
        lock (_life)
        {
            BalloonAttachment balloon = Balloon ?? throw new DeviceException("the machine has no balloon");
            balloon.SetTarget(bytes);
        }
    }
}
