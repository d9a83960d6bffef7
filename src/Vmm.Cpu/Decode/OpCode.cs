namespace Vmm.Cpu.Decode;

/// <summary>
/// Steps that the interpreter's switch knows. The order is free; the numbers are dense so that the switch is one jump table.
/// In the ALU groups the four sizes stand in the order 8, 16, 32, 64, first register forms, then immediate forms.
/// </summary>
internal enum OpCode : ushort
{
    /// <summary>Handler, then the next step.</summary>
    Call,

    /// <summary>Handler that sets the next RIP (or leaves it); the block ends.</summary>
    CallEnd,

    /// <summary>End of a block that was cut: go on at Imm.</summary>
    Continue,

    /// <summary>The block was dropped: look it up again.</summary>
    Dropped,

    MovRR64, MovRR32, MovRR16, MovRR8, MovRI, MovRI16, MovRI8,

    /// <summary>R[A] = bits 15:8 of R[B].</summary>
    GetHigh,

    /// <summary>Bits 15:8 of R[A] = R[B].</summary>
    SetHigh,
    MovZx8, MovZx16, MovSx8To32, MovSx8To64, MovSx16To32, MovSx16To64, MovSx32To64,
    Lea64, Lea32,
    Ld8, Ld16, Ld32, Ld64, LdSx8To32, LdSx8To64, LdSx16To32, LdSx16To64, LdSx32To64,
    St8, St16, St32, St64, StI8, StI16, StI32, StI64,

    /// <summary>Load for a read-modify-write: both rights are checked, the place is remembered.</summary>
    LdRmw8, LdRmw16, LdRmw32, LdRmw64,

    /// <summary>Store to the place that LdRmw remembered.</summary>
    StRmw8, StRmw16, StRmw32, StRmw64,
    LdX128, LdX128Aligned, LdX64, LdX32, StX128, StX128Aligned, StX64, StX32, MovX,

    Add8RR, Add16RR, Add32RR, Add64RR, Add8RI, Add16RI, Add32RI, Add64RI,
    Or8RR, Or16RR, Or32RR, Or64RR, Or8RI, Or16RI, Or32RI, Or64RI,
    Adc8RR, Adc16RR, Adc32RR, Adc64RR, Adc8RI, Adc16RI, Adc32RI, Adc64RI,
    Sbb8RR, Sbb16RR, Sbb32RR, Sbb64RR, Sbb8RI, Sbb16RI, Sbb32RI, Sbb64RI,
    And8RR, And16RR, And32RR, And64RR, And8RI, And16RI, And32RI, And64RI,
    Sub8RR, Sub16RR, Sub32RR, Sub64RR, Sub8RI, Sub16RI, Sub32RI, Sub64RI,
    Xor8RR, Xor16RR, Xor32RR, Xor64RR, Xor8RI, Xor16RI, Xor32RI, Xor64RI,
    Cmp8RR, Cmp16RR, Cmp32RR, Cmp64RR, Cmp8RI, Cmp16RI, Cmp32RI, Cmp64RI,
    Test8RR, Test16RR, Test32RR, Test64RR, Test8RI, Test16RI, Test32RI, Test64RI,
    Inc8, Inc16, Inc32, Inc64, Dec8, Dec16, Dec32, Dec64, Neg8, Neg16, Neg32, Neg64, Not8, Not16, Not32, Not64,
    Shl32I, Shl64I, Shr32I, Shr64I, Sar32I, Sar64I, Rol32I, Rol64I, Ror32I, Ror64I,
    ImulRR32, ImulRR64, ImulRI32, ImulRI64, Mul64, Mul32,
    BtRI32, BtRI64, BtRR32, BtRR64,
    Cdqe, Cdq, Cqo, Cwde,
    XchgRR32, XchgRR64, Bswap32, Bswap64,

    /// <summary>R[A] (8 bits) = condition C.</summary>
    Setcc,

    /// <summary>If condition C: R[A] = R[B]; the 32-bit form clears the upper half either way.</summary>
    Cmov32, Cmov64,

    Push64, PushI64, Pop64,

    /// <summary>Direct branches: target at Imm, fall-through at Offset + Length.</summary>
    Jmp, Jo, Jno, Jb, Jae, Je, Jne, Jbe, Ja, Js, Jns, Jp, Jnp, Jl, Jge, Jle, Jg,

    /// <summary>64-bit near transfers.</summary>
    JmpR64, Call64, CallR64, Ret64,

    /// <summary>CMP or TEST with the conditional branch that follows; C is the condition.</summary>
    CmpJcc32RR, CmpJcc64RR, CmpJcc32RI, CmpJcc64RI, CmpJcc8RI, TestJcc32RR, TestJcc64RR, TestJcc8RR, TestJcc8RI, TestJcc32RI,
}
