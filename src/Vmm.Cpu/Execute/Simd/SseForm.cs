namespace Vmm.Cpu.Execute.Simd;

/// <summary>Where the operands of an SSE instruction are, and so which steps it becomes.</summary>
internal enum SseForm : byte
{
    /// <summary>The code is not ours.</summary>
    None,

    /// <summary>xmm, xmm/m: A is the first, B the second; an immediate goes along.</summary>
    Binary,

    /// <summary>As <see cref="Binary"/>, but a 16-byte memory operand may stand anywhere.</summary>
    BinaryUnaligned,

    /// <summary>xmm, imm8.</summary>
    Immediate,

    /// <summary>Whole register from xmm/m128, aligned.</summary>
    Load,

    /// <summary>Whole register from xmm/m128.</summary>
    LoadUnaligned,

    /// <summary>From memory: the register is cleared above what is loaded. From a register: the handler.</summary>
    LoadScalar,

    /// <summary>Whole register to xmm/m128, aligned.</summary>
    Store,

    /// <summary>Whole register to xmm/m128.</summary>
    StoreUnaligned,

    /// <summary>To memory: the low bytes. To a register: the handler, with that register as A.</summary>
    StoreScalar,

    /// <summary>High half to m64; the handler brings it down.</summary>
    StoreHigh,

    /// <summary>xmm, r/m: B is a general register.</summary>
    FromGeneral,

    /// <summary>MOVD and MOVQ: as <see cref="FromGeneral"/>, from memory like <see cref="LoadScalar"/>.</summary>
    MoveFromGeneral,

    /// <summary>r, xmm/m: A is a general register of 4 or 8 bytes, which goes along as Size.</summary>
    ToGeneral,

    /// <summary>r/m, xmm: A is a general register, stored when the operand is in memory.</summary>
    Extract,

    /// <summary>MOVD and MOVQ: as <see cref="Extract"/>, to memory like <see cref="StoreScalar"/>.</summary>
    MoveToGeneral,

    /// <summary>m, r: a plain store of a general register.</summary>
    StoreGeneral,

    /// <summary>Only memory, read into T0 for the handler.</summary>
    LoadControl,

    /// <summary>Only memory, written from T0 after the handler.</summary>
    StoreControl,

    /// <summary>Bytes chosen by a mask go to memory at rDI.</summary>
    MaskedStore,
}
