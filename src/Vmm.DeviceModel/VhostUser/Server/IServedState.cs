namespace Vmm.DeviceModel.VhostUser.Server;

/// <summary>
/// What a driver has chosen of a device beside its rings, as bytes: it is kept where the account of requests is, and a successor of a back
/// end that died takes it over.
/// </summary>
public interface IServedState
{
    /// <summary>It has changed. Raised before the driver hears of it, on the thread of the device that does its will.</summary>
    event Action? Changed;

    /// <summary>The state as it is.</summary>
    byte[] Save();

    /// <summary>Has the device begin with a state, before its driver is ready. What makes no sense is ignored: it may have been tampered with.</summary>
    void Restore(byte[] state);
}
