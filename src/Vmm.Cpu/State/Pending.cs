namespace Vmm.Cpu.State;

/// <summary>Reasons to leave the fast path at the next block boundary. Other threads set them; the vCPU clears them.</summary>
[Flags]
internal enum Pending
{
    None = 0,

    /// <summary>The local APIC may have an interrupt.</summary>
    Interrupt = 1,
    Nmi = 2,
    Init = 4,
    Sipi = 8,

    /// <summary>Somebody wants the vCPU thread back.</summary>
    Kick = 16,

    /// <summary>Another thread changed code that this vCPU may have decoded, or wants write translations dropped.</summary>
    CodeRequests = 32,

    /// <summary>RFLAGS.TF or an instruction breakpoint is on: execute one instruction at a time.</summary>
    SingleStep = 64,

    /// <summary>A trap (#DB) to deliver before the next instruction.</summary>
    Trap = 128,

    /// <summary>An event restored from a saved state is to be delivered.</summary>
    Injected = 256,

    /// <summary>The decode arena is full, or everything decoded must go.</summary>
    FlushBlocks = 512,

    /// <summary>One instruction and no more, whatever it does to the reasons for stepping.</summary>
    StepOnce = 1024,
}
