using Iced.Intel;

namespace Vmm.Cpu.Tests.Oracle.Judgement;

/// <summary>Which status flags an instruction leaves undefined (Intel SDM vol. 1 appendix A, and each instruction's page).</summary>
internal static class UndefinedFlags
{
    private const ulong AfterAnyCount = ulong.MaxValue;

    /// <param name="count">The shift or rotate count if it is known.</param>
    public static RflagsBit Of(in Instruction instruction, ulong? count)
    {
        switch (instruction.Mnemonic)
        {
            case Mnemonic.Shl or Mnemonic.Sal or Mnemonic.Shr or Mnemonic.Sar: return OfShift(instruction, count);
            case Mnemonic.Shld or Mnemonic.Shrd: return OfDoubleShift(instruction, count);
            case Mnemonic.Rol or Mnemonic.Ror or Mnemonic.Rcl or Mnemonic.Rcr: return Masked(instruction, count) is 0 or 1 ? 0 : RflagsBit.OF;
            default: return FromIced(instruction.RflagsUndefined);
        }
    }

    /// <summary>The count of a shift whose registers are known at its start.</summary>
    public static unsafe ulong? Count(in Instruction instruction, in MachineImage input)
    {
        int last = instruction.OpCount - 1;
        if (last < 0) return null;
        return instruction.GetOpKind(last) switch
        {
            OpKind.Immediate8 => instruction.GetImmediate(last),
            OpKind.Register when instruction.GetOpRegister(last) == Register.CL => (byte)input.Gpr[1],
            _ => null,
        };
    }

    /// <summary>The count as the processor takes it: five bits, six for 64-bit operands.</summary>
    public static ulong Masked(in Instruction instruction, ulong? count)
        => count is { } known ? known & (OperandBits(instruction) == 64 ? 0x3fu : 0x1fu) : AfterAnyCount;

    public static int OperandBits(in Instruction instruction)
        => 8 * (instruction.Op0Kind == OpKind.Register ? instruction.Op0Register.GetSize() : instruction.MemorySize.GetSize());

    public static RflagsBit FromIced(RflagsBits bits)
    {
        RflagsBit flags = 0;
        if ((bits & RflagsBits.CF) != 0) flags |= RflagsBit.CF;
        if ((bits & RflagsBits.PF) != 0) flags |= RflagsBit.PF;
        if ((bits & RflagsBits.AF) != 0) flags |= RflagsBit.AF;
        if ((bits & RflagsBits.ZF) != 0) flags |= RflagsBit.ZF;
        if ((bits & RflagsBits.SF) != 0) flags |= RflagsBit.SF;
        if ((bits & RflagsBits.OF) != 0) flags |= RflagsBit.OF;
        return flags;
    }

    private static RflagsBit OfShift(in Instruction instruction, ulong? count)
    {
        ulong masked = Masked(instruction, count);
        if (masked == 0) return 0;
        RflagsBit flags = RflagsBit.AF;
        if (masked != 1) flags |= RflagsBit.OF;
        // Counts of 32 and 64-bit operands are always less than the width.
        bool mayShiftAllOut = instruction.Mnemonic != Mnemonic.Sar && OperandBits(instruction) < 32;
        if (mayShiftAllOut && masked >= (ulong)OperandBits(instruction)) flags |= RflagsBit.CF;
        return flags;
    }

    private static RflagsBit OfDoubleShift(in Instruction instruction, ulong? count)
    {
        ulong masked = Masked(instruction, count);
        if (masked == 0) return 0;
        if (OperandBits(instruction) == 16 && masked > 16) return RflagsBit.Status;
        return masked == 1 ? RflagsBit.AF : RflagsBit.AF | RflagsBit.OF;
    }
}
