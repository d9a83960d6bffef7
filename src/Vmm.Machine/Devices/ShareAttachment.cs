using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.P9;
using Vmm.Host.Files;
using Vmm.Machine.Config;

namespace Vmm.Machine.Devices;

/// <summary>A directory that a guest shares.</summary>
internal sealed class ShareAttachment : IAttachment
{
    private readonly HostFileTree _tree;
    private readonly Virtio9pOptions _options;

    /// <exception cref="Host.LinuxException">The directory cannot be opened.</exception>
    public ShareAttachment(ShareConfig config)
    {
        Id = config.Id;
        _tree = HostFileTree.Open(config.Path, new FileTreeOptions { IsReadOnly = config.ReadOnly, AllowsDevices = config.Devices });
        _options = new Virtio9pOptions { Tag = config.Tag };
    }

    /// <inheritdoc/>
    public string Id { get; }

    /// <inheritdoc/>
    public IVirtioDevice Create(IDeviceRoom room) => new Virtio9p(_tree, _options, room.Workers);

    /// <inheritdoc/>
    public void Dispose() => _tree.Dispose();
}
