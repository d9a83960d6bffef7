namespace Vmm.Cpu.State;

/// <summary>Everything besides the bytes that decides how they decode and what a block may assume. Part of a block's key.</summary>
[Flags]
internal enum CpuMode : byte
{
    /// <summary>Default operand and address size 16 bits.</summary>
    Code16 = 0,
    Code32 = 1,
    Code64 = 2,
    CodeSizeMask = 3,

    /// <summary>CPL 3.</summary>
    User = 4,

    /// <summary>CR0.PE = 0.</summary>
    Real = 8,

    /// <summary>RFLAGS.VM.</summary>
    Virtual8086 = 16,

    /// <summary>SS.B: pushes and pops use ESP (in 64-bit code always RSP).</summary>
    BigStack = 32,

    /// <summary>CR0.EM or CR0.TS: x87 and MMX instructions, FXSAVE and FXRSTOR raise an exception instead.</summary>
    FpuClosed = 64,

    /// <summary>CR0.EM, CR0.TS or not CR4.OSFXSR: SSE instructions raise an exception instead.</summary>
    SseClosed = 128,
}
