using Vmm.DeviceModel.VhostUser.Messages;
using Vmm.Devices.Virtio.Queue;
using Vmm.Host;

namespace Vmm.DeviceModel.VhostUser.Server;

/// <summary>What the front end has said of one ring. The session's thread changes it; <see cref="Call"/> comes from any.</summary>
internal sealed class ServedRing(VirtQueue queue) : IDisposable
{
    private readonly Lock _gate = new();
    private LinuxFile? _call, _error;

    /// <summary>The device's end.</summary>
    public VirtQueue Queue => queue;

    /// <summary>Entries; 0 until it is said.</summary>
    public ushort Size { get; set; }

    /// <summary>Where it is; null until it is said.</summary>
    public VringAddresses? Addresses { get; set; }

    /// <summary>Where it stands, in the protocol's form.</summary>
    public uint Base { get; set; }

    /// <summary>Who keeps account of it, while it is started.</summary>
    public IChainLedger? Ledger { get; set; }

    /// <summary>Kicks come here; null while there is none.</summary>
    public LinuxFile? Kick { get; private set; }

    /// <summary>Watches <see cref="Kick"/> where the device does not.</summary>
    public EpollRegistration? Watch { get; set; }

    /// <summary>It may be served.</summary>
    public bool IsStarted { get; set; }

    /// <summary>It is served while it is started.</summary>
    public bool IsEnabled { get; set; }

    public void SetKick(LinuxFile? file)
    {
        Kick?.Dispose();
        Kick = file;
    }

    public void SetCall(LinuxFile? file)
    {
        lock (_gate) (_call, file) = (file, _call);
        file?.Dispose();
    }

    public void SetError(LinuxFile? file)
    {
        lock (_gate) (_error, file) = (file, _error);
        file?.Dispose();
    }

    /// <summary>Interrupts the driver.</summary>
    public void Call()
    {
        lock (_gate) Signal(_call);
    }

    /// <summary>Tells the front end that the ring cannot be served.</summary>
    public void Fail()
    {
        lock (_gate) Signal(_error);
    }

    /// <summary>Forgets all that was said. It is stopped.</summary>
    public void Dispose()
    {
        SetKick(null);
        SetCall(null);
        SetError(null);
        (Size, Addresses, Base, IsEnabled) = (0, null, 0, false);
    }

    private static void Signal(LinuxFile? eventFd)
    {
        if (eventFd is not null) EventFd.SignalDescriptor(eventFd.Fd);
    }
}
