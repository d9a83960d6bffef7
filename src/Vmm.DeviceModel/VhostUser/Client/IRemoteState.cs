namespace Vmm.DeviceModel.VhostUser.Client;

/// <summary>The state of a device beside its rings and transport, where its back end can be asked for it: as JSON, in the form of the device's own.</summary>
public interface IRemoteState
{
    /// <summary>The state, while the device stands still.</summary>
    /// <exception cref="Core.State.StateException">It cannot be had.</exception>
    byte[] Save();

    /// <summary>Has the device begin with a state, before its transport brings the driver back.</summary>
    /// <exception cref="Core.State.StateException">It makes no sense.</exception>
    void Restore(byte[] state);
}
