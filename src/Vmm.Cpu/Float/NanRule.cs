namespace Vmm.Cpu.Float;

/// <summary>Which NaN a two-operand instruction returns (Intel SDM vol. 1 table 4-7).</summary>
internal enum NanRule : byte
{
    /// <summary>SSE: the first operand if it is a NaN, else the second.</summary>
    FirstOperand,

    /// <summary>x87: a quiet NaN before a signalling one, then the larger significand.</summary>
    LargerSignificand,
}
