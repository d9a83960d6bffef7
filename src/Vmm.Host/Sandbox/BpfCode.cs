namespace Vmm.Host.Sandbox;

/// <summary>The instructions of linux/bpf_common.h that filters of system calls need.</summary>
internal enum BpfCode : ushort
{
    /// <summary>BPF_LD | BPF_W | BPF_ABS: a word of <c>struct seccomp_data</c> into the accumulator.</summary>
    Load = 0x20,

    /// <summary>BPF_ALU | BPF_AND | BPF_K.</summary>
    And = 0x54,

    /// <summary>BPF_JMP | BPF_JEQ | BPF_K.</summary>
    JumpIfEqual = 0x15,

    /// <summary>BPF_JMP | BPF_JGE | BPF_K.</summary>
    JumpIfAtLeast = 0x35,

    /// <summary>BPF_RET | BPF_K.</summary>
    Return = 0x06,
}
