using Iced.Intel;

namespace Vmm.Cpu.Tests.Oracle.Judgement;

/// <summary>What the manuals leave open about x87 results.</summary>
internal static class X87Rules
{
    public const ushort C0 = 1 << 8;
    public const ushort C1 = 1 << 9;
    public const ushort C2 = 1 << 10;
    public const ushort C3 = 1 << 14;
    public const ushort UE = 1 << 4;
    public const ushort PE = 1 << 5;

    /// <summary>ES and B, which follow from the exceptions.</summary>
    public const ushort Summary = 0x8080;

    private const int Bias = 0x3fff;
    private const int NotFinite = 0x7fff;

    /// <summary>Condition codes that an instruction leaves undefined (Intel SDM vol. 1 table 8-1).</summary>
    public static ushort UndefinedConditions(Mnemonic mnemonic) => mnemonic switch
    {
        Mnemonic.Fcom or Mnemonic.Fcomp or Mnemonic.Fcompp or Mnemonic.Fucom or Mnemonic.Fucomp or Mnemonic.Fucompp or Mnemonic.Ficom
            or Mnemonic.Ficomp or Mnemonic.Ftst or Mnemonic.Fxam or Mnemonic.Fprem or Mnemonic.Fprem1 => 0,
        Mnemonic.Fninit or Mnemonic.Finit or Mnemonic.Fldenv or Mnemonic.Frstor or Mnemonic.Fxrstor or Mnemonic.Fxrstor64 or Mnemonic.Fnsave => 0,
        // Rounding up is told only of results that are in range, which C2 says.
        Mnemonic.Fsin or Mnemonic.Fcos or Mnemonic.Fsincos or Mnemonic.Fptan => C0 | C3 | C1,
        Mnemonic.F2xm1 or Mnemonic.Fyl2x or Mnemonic.Fyl2xp1 or Mnemonic.Fpatan => C0 | C1 | C2 | C3,
        Mnemonic.Fnclex or Mnemonic.Fclex or Mnemonic.Fldcw or Mnemonic.Fnstcw or Mnemonic.Fnstsw or Mnemonic.Fnstenv => C0 | C1 | C2 | C3,
        _ => C0 | C2 | C3,
    };

    /// <summary>True for functions whose last bits are the implementation's own.</summary>
    public static bool IsTranscendental(Mnemonic mnemonic) => mnemonic is Mnemonic.F2xm1 or Mnemonic.Fyl2x or Mnemonic.Fyl2xp1
        or Mnemonic.Fpatan or Mnemonic.Fptan or Mnemonic.Fsin or Mnemonic.Fcos or Mnemonic.Fsincos;

    /// <summary>True when ST(0) lies outside of the range for which the function's result is known; NaNs and infinities have rules of their own.</summary>
    public static unsafe bool IsOutOfRange(Mnemonic mnemonic, in MachineImage input)
    {
        // 2^x - 1 takes |x| up to 1, y log2(x + 1) takes |x| up to 1 - sqrt(1/2), which is above a quarter.
        int limit = mnemonic switch { Mnemonic.F2xm1 => Bias, Mnemonic.Fyl2xp1 => Bias - 2, _ => NotFinite };
        int exponent = (input.Fx[MachineImage.FxSt + 8] | (input.Fx[MachineImage.FxSt + 9] << 8)) & NotFinite;
        // At the smallest numbers the result is smaller still by less than it has bits for: whether that is an underflow is open.
        return exponent <= 1 || (exponent >= limit && exponent < NotFinite);
    }

    public static bool IsX87(in Instruction instruction)
    {
        foreach (CpuidFeature feature in instruction.CpuidFeatures)
        {
            if (feature is CpuidFeature.FPU or CpuidFeature.FPU287 or CpuidFeature.FPU387) return true;
        }

        return false;
    }
}
