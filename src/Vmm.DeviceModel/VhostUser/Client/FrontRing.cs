using Vmm.Devices.Virtio.Queue;
using Vmm.Host;

namespace Vmm.DeviceModel.VhostUser.Client;

/// <summary>A ring as the driver wants it and as the back end has it. Guarded by its front end's lock.</summary>
internal sealed class FrontRing : IDisposable
{
    /// <summary>Signalled to have the back end look.</summary>
    public EventFd Kick { get; } = new();

    /// <summary>Signalled by the back end where nothing in the host interrupts the driver directly.</summary>
    public EventFd Call { get; } = new();

    /// <summary>Signalled by the back end when it cannot serve the ring.</summary>
    public EventFd Error { get; } = new();

    /// <summary>The driver wants it served.</summary>
    public bool IsWanted { get; set; }

    /// <summary>Where it is.</summary>
    public VirtQueueSetup Setup { get; set; }

    /// <summary>How far it has come, as far as is known.</summary>
    public VirtRingPosition Position { get; set; }

    /// <summary>
    /// A back end has begun to serve it, and has not said how far it has come: it must be served again, if only to be stopped, before it
    /// is known to be at rest.
    /// </summary>
    public bool IsOwed { get; set; }

    /// <summary>It has been served since <see cref="Position"/> was last known.</summary>
    public bool HasMoved { get; set; }

    /// <summary>This connection's back end serves it.</summary>
    public bool IsServed { get; set; }

    /// <summary>It cannot be served again before the device is reset.</summary>
    public bool IsLost { get; set; }

    /// <summary>The eventfd that the back end was given last.</summary>
    public int CallDescriptor { get; set; } = -1;

    /// <inheritdoc/>
    public void Dispose()
    {
        Kick.Dispose();
        Call.Dispose();
        Error.Dispose();
    }
}
