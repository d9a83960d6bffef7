namespace Vmm.Cpu.State;

/// <summary>Indices into <see cref="CpuState.R"/>: the sixteen general registers, then what address arithmetic treats like registers.</summary>
internal static class Reg
{
    public const byte Rax = 0, Rcx = 1, Rdx = 2, Rbx = 3, Rsp = 4, Rbp = 5, Rsi = 6, Rdi = 7;

    /// <summary>Always 0: the missing base or index of an address.</summary>
    public const byte Zero = 16;

    /// <summary>RIP of the first instruction of the block being executed.</summary>
    public const byte BlockRip = 17;

    /// <summary>Temporaries of one instruction: operand, second operand, address.</summary>
    public const byte T0 = 18, T1 = 19, Ta = 20;

    /// <summary>Segment bases in the order ES, CS, SS, DS, FS, GS.</summary>
    public const byte SegmentBase = 21;

    public const byte FsBase = SegmentBase + Seg.Fs, GsBase = SegmentBase + Seg.Gs;

    public const int Count = 28;
}
