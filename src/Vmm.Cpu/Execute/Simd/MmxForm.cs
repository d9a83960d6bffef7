namespace Vmm.Cpu.Execute.Simd;

/// <summary>How an MMX instruction's operands are laid out in vectors for the SSE handler that does its work.</summary>
internal enum MmxForm : byte
{
    /// <summary>The code is not ours.</summary>
    None,

    /// <summary>Element by element: the operands are the low halves.</summary>
    Lanes,

    /// <summary>As <see cref="Lanes"/>, but the result is the high half (high halves interleaved).</summary>
    High,

    /// <summary>Both operands, one after the other, stand in one vector (packing, neighbours combined).</summary>
    Joined,

    /// <summary>PSHUFB: indices have three bits.</summary>
    Indexed,

    /// <summary>PALIGNR: the operands joined are moved down.</summary>
    Aligned,

    /// <summary>mm, imm8.</summary>
    Immediate,

    /// <summary>mm from mm/m64.</summary>
    Load,

    /// <summary>mm/m64 from mm.</summary>
    Store,

    /// <summary>mm from r/m.</summary>
    FromGeneral,

    /// <summary>r/m from mm.</summary>
    ToGeneral,

    /// <summary>PINSRW: one word from r/m.</summary>
    Insert,

    /// <summary>PEXTRW: one word to r; PMOVMSKB: the signs to r.</summary>
    Extract,

    /// <summary>xmm from mm.</summary>
    ToXmm,

    /// <summary>As <see cref="ToXmm"/>, or from m64, which is no MMX operand then.</summary>
    ToXmmFromMemory,

    /// <summary>mm from xmm/m.</summary>
    FromXmm,

    /// <summary>MASKMOVQ.</summary>
    MaskedStore,

    /// <summary>EMMS.</summary>
    Empty,
}
