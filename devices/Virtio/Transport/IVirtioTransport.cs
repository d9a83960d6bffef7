namespace Vmm.Devices.Virtio.Transport;

/// <summary>What the machine needs of a transport, whichever it is. Any thread.</summary>
public interface IVirtioTransport
{
    /// <summary>Queues, each with a doorbell.</summary>
    int QueueCount { get; }

    /// <summary>No request is under way.</summary>
    bool IsIdle { get; }

    /// <summary>
    /// <see cref="Doorbell"/> gives something else than before: the driver has come or gone, or the registers have moved. Raised with
    /// locks held: the handler takes note and does not call back, but for <see cref="Doorbell"/> and <see cref="KickDescriptor"/>.
    /// </summary>
    event Action? DoorbellsChanged;

    /// <summary>The write that kicks a queue; null while there is none to kick.</summary>
    VirtioDoorbell? Doorbell(int queue);

    /// <summary>An eventfd that does what <see cref="Kick"/> does; -1 when only a call will do.</summary>
    int KickDescriptor(int queue);

    /// <summary>What a write to the doorbell does.</summary>
    void Kick(int queue);

    /// <summary>
    /// The device begins no more requests. Once <see cref="IsIdle"/>, it touches neither guest memory nor its rings, and its state can
    /// be saved.
    /// </summary>
    void Hold();

    /// <summary>Goes on after <see cref="Hold"/>, with what the driver has offered meanwhile.</summary>
    void Release();
}
