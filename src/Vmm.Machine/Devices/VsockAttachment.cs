using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Vsock;
using Vmm.Host;
using Vmm.Host.Vsock;
using Vmm.Machine.Config;

namespace Vmm.Machine.Devices;

/// <summary>The Unix sockets behind a guest's sockets.</summary>
/// <exception cref="LinuxException">The socket cannot be made.</exception>
internal sealed class VsockAttachment(VsockConfig config, EpollLoop loop) : IAttachment
{
    private readonly UnixVsockHost _host = new(loop, config.Path);

    /// <inheritdoc/>
    public string Id => config.Id;

    /// <inheritdoc/>
    public IVirtioDevice Create(IDeviceRoom room) => new VirtioVsock(config.Cid, _host, room.Workers);

    /// <inheritdoc/>
    public void Dispose() => _host.Dispose();
}
