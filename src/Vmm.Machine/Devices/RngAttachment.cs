using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Rng;
using Vmm.Host;
using Vmm.Machine.Config;

namespace Vmm.Machine.Devices;

/// <summary>The host's entropy.</summary>
internal sealed class RngAttachment(RngConfig config) : IAttachment
{
    /// <inheritdoc/>
    public string Id => config.Id;

    /// <inheritdoc/>
    public IVirtioDevice Create(IDeviceRoom room) => new VirtioRng(new HostEntropy(), room.Workers);

    /// <inheritdoc/>
    public void Dispose() { }
}
