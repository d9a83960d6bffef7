namespace Vmm.DeviceModel.VhostUser.Client;

/// <summary>The kind of device behind a socket: vhost-user does not say it.</summary>
public enum VhostUserKind
{
    /// <summary>A disk (virtio 1.2 §5.2).</summary>
    Block,

    /// <summary>A network device (§5.1).</summary>
    Net,

    /// <summary>A shared directory (§5.11).</summary>
    FileSystem,
}
