namespace Vmm.DeviceModel.VhostUser.Messages;

/// <summary>Protocol features (vhost-user, "Protocol features").</summary>
[Flags]
internal enum VhostUserProtocolFeatures : ulong
{
    None = 0,
    MQ = 1UL << 0,
    LOG_SHMFD = 1UL << 1,
    REPLY_ACK = 1UL << 3,
    BACKEND_REQ = 1UL << 5,
    CONFIG = 1UL << 9,
    INFLIGHT_SHMFD = 1UL << 12,
    RESET_DEVICE = 1UL << 13,
    CONFIGURE_MEM_SLOTS = 1UL << 15,
    STATUS = 1UL << 16,

    /// <summary>What both ends here can do.</summary>
    All = MQ | LOG_SHMFD | REPLY_ACK | BACKEND_REQ | CONFIG | INFLIGHT_SHMFD | RESET_DEVICE | CONFIGURE_MEM_SLOTS | STATUS,
}
