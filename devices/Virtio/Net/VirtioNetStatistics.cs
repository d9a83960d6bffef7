namespace Vmm.Devices.Virtio.Net;

/// <summary>What a network device has done since it was made, seen from the guest. Frames that were not passed on count as dropped only.</summary>
/// <param name="ReceivedFrames">Frames that the guest got.</param>
/// <param name="ReceivedBytes">Their bytes, without headers of virtio.</param>
/// <param name="ReceiveFiltered">Frames that the guest's filter refused.</param>
/// <param name="ReceiveDropped">Frames that did not fit its buffers, or that it had not agreed to take in this form.</param>
/// <param name="SentFrames">Frames that the guest sent.</param>
/// <param name="SentBytes">Their bytes.</param>
/// <param name="SendDropped">Frames that were no good, or that the link did not take.</param>
public readonly record struct VirtioNetStatistics(ulong ReceivedFrames, ulong ReceivedBytes, ulong ReceiveFiltered, ulong ReceiveDropped,
    ulong SentFrames, ulong SentBytes, ulong SendDropped)
{
    public static VirtioNetStatistics operator +(VirtioNetStatistics a, VirtioNetStatistics b) => new(a.ReceivedFrames + b.ReceivedFrames,
        a.ReceivedBytes + b.ReceivedBytes, a.ReceiveFiltered + b.ReceiveFiltered, a.ReceiveDropped + b.ReceiveDropped,
        a.SentFrames + b.SentFrames, a.SentBytes + b.SentBytes, a.SendDropped + b.SendDropped);
}
