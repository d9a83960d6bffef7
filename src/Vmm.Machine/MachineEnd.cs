namespace Vmm.Machine;

/// <summary>How a machine came to its end.</summary>
public enum MachineEnd
{
    /// <summary>The guest turned itself off.</summary>
    PowerOff,

    /// <summary>The guest reset the machine, and its configuration says that this is the end.</summary>
    Reset,

    /// <summary>A vCPU shut down: an exception while a double fault was delivered.</summary>
    TripleFault,

    /// <summary>The guest says that it has panicked.</summary>
    GuestPanic,

    /// <summary>Every vCPU has halted with interrupts off: nothing can happen any more.</summary>
    Halted,

    /// <summary>The host or the hypervisor could not go on.</summary>
    Failed,

    /// <summary>Somebody outside asked for the end.</summary>
    Stopped,
}
