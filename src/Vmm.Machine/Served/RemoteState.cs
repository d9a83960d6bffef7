using Vmm.DeviceModel.VhostUser.Client;

namespace Vmm.Machine.Served;

/// <summary>What a device in the device model has chosen with its driver: the same JSON that it would be here.</summary>
internal sealed class RemoteState(DeviceModelLink link, ServedDevice device) : IRemoteState
{
    /// <inheritdoc/>
    public byte[] Save() => link.SaveState(device);

    /// <inheritdoc/>
    public void Restore(byte[] state) => link.RestoreState(device, state);
}
