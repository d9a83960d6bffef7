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
    public IVirtioDevice Create(Board board) => new VirtioRng(new HostEntropy(), board.Workers);

    /// <inheritdoc/>
    public void Dispose() { }
}
