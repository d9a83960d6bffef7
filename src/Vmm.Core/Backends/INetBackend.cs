using Vmm.Core.Memory;

namespace Vmm.Core.Backends;

/// <summary>
/// The host end of a NIC: Ethernet frames without their check sequence, each behind a header of <see cref="HeaderBytes"/> bytes
/// (struct virtio_net_hdr_v1, virtio 1.2 §5.1.6, little-endian), which says what was left undone. Nothing here blocks or throws because of
/// what a guest sent. Each queue has one sending and one receiving thread at a time.
/// </summary>
public interface INetBackend : IDisposable
{
    /// <summary>Bytes of the header before each frame.</summary>
    const int HeaderBytes = 12;

    /// <summary>The longest frame with its header: what segmentation offload can make.</summary>
    const int MostFrameBytes = HeaderBytes + 14 + 4 + 65535;

    /// <summary>Pairs of queues that can be used at once.</summary>
    int QueueCount { get; }

    /// <summary>What the guest may leave undone in what it sends, and can be asked to take undone.</summary>
    NetOffloads Offloads { get; }

    /// <summary>Whether the cable is in.</summary>
    bool IsLinkUp { get; }

    /// <summary><see cref="IsLinkUp"/> has changed. Any thread, without locks held.</summary>
    event Action? LinkChanged;

    /// <summary>Names the guest's end, before the machine runs. A later call (the machine was reset) replaces the earlier.</summary>
    void Attach(INetReceiver receiver);

    /// <summary>The driver's choice; at a reset nothing is accepted and one pair of queues is in use.</summary>
    /// <param name="accepted">What the guest takes undone.</param>
    /// <param name="queues">Pairs of queues in use.</param>
    void Configure(NetOffloads accepted, int queues);

    /// <summary>Sends one frame: header, then frame.</summary>
    NetSendResult Send(int queue, ReadOnlySpan<IoVec> frame);

    /// <summary>Takes the next frame: header, then frame. One that does not fit is dropped and the next is taken.</summary>
    /// <returns>Bytes with the header; 0 when there is no frame now.</returns>
    int Receive(int queue, ReadOnlySpan<IoVec> into);
}
