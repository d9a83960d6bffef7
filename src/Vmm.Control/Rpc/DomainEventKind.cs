namespace Vmm.Control.Rpc;

/// <summary>What happened to a domain.</summary>
public enum DomainEventKind
{
    /// <summary>The guest runs: for the first time, or after a pause.</summary>
    Running,

    /// <summary>The guest stands still.</summary>
    Paused,

    /// <summary>The guest was reset and starts anew.</summary>
    Reset,

    /// <summary>The guest says that it has panicked.</summary>
    Panicked,

    /// <summary>The guest has ended; what follows is said.</summary>
    Ended,

    /// <summary>The domain has another name.</summary>
    Renamed,

    /// <summary>The guest stands still while it is saved; how much of it is done is said.</summary>
    Saving,

    /// <summary>The guest is saved.</summary>
    Saved,

    /// <summary>A device was added.</summary>
    DeviceAdded,

    /// <summary>A device is gone.</summary>
    DeviceRemoved,

    /// <summary>A device does not work any more: its driver or its host end broke.</summary>
    DeviceFailed,

    /// <summary>The process that serves the devices had died and was started again; the guest goes on.</summary>
    DeviceModelStarted,

    /// <summary>A request to a disk failed on the host; which, is said. Each one is told as long as they are few, of a flood one a second.</summary>
    DiskError,
}
