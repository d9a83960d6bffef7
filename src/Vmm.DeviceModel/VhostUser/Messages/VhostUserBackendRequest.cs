namespace Vmm.DeviceModel.VhostUser.Messages;

/// <summary>What the back end asks (vhost-user, "Back-end message types").</summary>
internal enum VhostUserBackendRequest : uint
{
    CONFIG_CHANGE_MSG = 2,
}
