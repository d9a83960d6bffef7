namespace Vmm.DeviceModel.VhostUser.Messages;

/// <summary>Feature bits that the protocol itself puts among virtio's.</summary>
internal static class VhostUserFeatures
{
    /// <summary>Written pages are noted in the log.</summary>
    public const ulong VHOST_F_LOG_ALL = 1UL << 26;

    /// <summary>Protocol features can be asked for.</summary>
    public const ulong VHOST_USER_F_PROTOCOL_FEATURES = 1UL << 30;
}
