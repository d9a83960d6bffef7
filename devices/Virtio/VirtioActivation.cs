using Vmm.Devices.Virtio.Queue;

namespace Vmm.Devices.Virtio;

/// <summary>What a device gets when its driver is ready.</summary>
/// <param name="Features">The negotiated feature bits.</param>
/// <param name="Queues">All queues; one that the driver has not enabled gives nothing.</param>
/// <param name="ConfigChanged">Tells the driver that the configuration has changed. Any thread, any lock.</param>
public sealed record VirtioActivation(ulong Features, IReadOnlyList<VirtQueue> Queues, Action ConfigChanged)
{
    /// <summary>For a device whose rings others serve; null for all others.</summary>
    public IVirtioCalls? Calls { get; init; }

    /// <summary>Whether all these feature bits were negotiated.</summary>
    public bool Has(ulong features) => (Features & features) == features;
}
