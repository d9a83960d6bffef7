namespace Vmm.Core.Hypervisor;

/// <summary>Why <see cref="IVcpu.Run"/> returned. Only life-cycle events leave the run loop.</summary>
public enum VcpuExit : byte
{
    /// <summary><see cref="IVcpu.Kick"/>.</summary>
    Interrupted,

    /// <summary>HLT that nothing can wake.</summary>
    Halted,

    /// <summary>The hypervisor reports a reset of the machine.</summary>
    Reset,

    /// <summary>The hypervisor reports a power-off.</summary>
    PowerOff,

    /// <summary>An exception while delivering a double fault: the CPU shut down.</summary>
    TripleFault,

    /// <summary>A breakpoint or single step of the debugger.</summary>
    Debug,

    /// <summary>The guest or the host did something that cannot go on; <see cref="IVcpu.FailureReason"/> says what.</summary>
    Failed,
}
