namespace Vmm.Cpu.Float;

/// <summary>Floating-point exceptions, at their places in the x87 status word, in MXCSR and (as masks) in the x87 control word (Intel SDM vol. 1 §8.1.3, §10.2.3).</summary>
[Flags]
internal enum FloatFlags : byte
{
    None = 0,

    /// <summary>Invalid operation.</summary>
    IE = 1,

    /// <summary>Denormal operand.</summary>
    DE = 2,

    /// <summary>Division by zero.</summary>
    ZE = 4,

    /// <summary>Overflow.</summary>
    OE = 8,

    /// <summary>Underflow.</summary>
    UE = 16,

    /// <summary>Inexact result.</summary>
    PE = 32,

    /// <summary>Those found by looking at the operands; when one of them is unmasked, nothing is computed and the others are not reported.</summary>
    BeforeComputation = IE | DE | ZE,
    All = IE | DE | ZE | OE | UE | PE,
}
