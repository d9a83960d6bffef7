namespace Vmm.Cpu.State;

/// <summary>Why interrupts wait for one instruction (Intel SDM vol. 3 §6.8).</summary>
internal enum InterruptShadow : byte
{
    None,

    /// <summary>The instruction after STI.</summary>
    Sti,

    /// <summary>The instruction after MOV SS or POP SS: debug exceptions wait as well.</summary>
    MovSs,
}
