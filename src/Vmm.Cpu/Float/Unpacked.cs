using System.Numerics;

namespace Vmm.Cpu.Float;

/// <summary>
/// A number of any format taken apart: (-1)^Sign × Significand × 2^(Exponent - 63), with bit 63 of the significand set when it is
/// finite and not zero. NaNs keep their payload left-aligned below the quiet bit, which is bit 62.
/// </summary>
internal struct Unpacked
{
    private const int Bias32 = 127, Bias64 = 1023, Bias80 = 16383;
    private const ulong QuietBit = 1UL << 62;

    public ulong Significand;
    public int Exponent;
    public FloatClass Class;
    public bool Sign;

    /// <summary>The operand was a denormal (or pseudo-denormal).</summary>
    public bool Denormal;

    public readonly bool IsNan => Class > FloatClass.Infinity;

    public readonly bool IsZero => Class == FloatClass.Zero;

    public readonly bool IsInfinity => Class == FloatClass.Infinity;

    public static Unpacked DefaultNan => new() { Class = FloatClass.QuietNan, Sign = true, Significand = Extended.IntegerBit | QuietBit };

    public static Unpacked ZeroOf(bool sign) => new() { Class = FloatClass.Zero, Sign = sign };

    public static Unpacked InfinityOf(bool sign) => new() { Class = FloatClass.Infinity, Sign = sign, Significand = Extended.IntegerBit };

    public static Unpacked FiniteOf(bool sign, int exponent, ulong significand)
        => new() { Class = FloatClass.Finite, Sign = sign, Exponent = exponent, Significand = significand };

    public readonly Unpacked Quieted()
    {
        Unpacked result = this;
        result.Class = FloatClass.QuietNan;
        result.Significand |= QuietBit | Extended.IntegerBit;
        return result;
    }

    public readonly Unpacked WithSign(bool sign)
    {
        Unpacked result = this;
        result.Sign = sign;
        return result;
    }

    // ---- from formats ------------------------------------------------------------------------------------------------------------

    public static Unpacked From32(uint bits, bool denormalsAreZero = false)
        => FromParts((bits >> 31) != 0, (int)(bits >> 23 & 0xff), (ulong)bits << 41 >> 1, 0xff, Bias32, denormalsAreZero);

    public static Unpacked From64(ulong bits, bool denormalsAreZero = false)
        => FromParts((bits >> 63) != 0, (int)(bits >> 52 & 0x7ff), bits << 12 >> 1, 0x7ff, Bias64, denormalsAreZero);

    /// <summary>A format with a hidden integer bit; the fraction is given below bit 63.</summary>
    private static Unpacked FromParts(bool sign, int exponent, ulong fraction, int specialExponent, int bias, bool denormalsAreZero)
    {
        Unpacked u = default;
        u.Sign = sign;
        if (exponent == specialExponent)
        {
            u.Significand = fraction | Extended.IntegerBit;
            u.Class = fraction == 0 ? FloatClass.Infinity : (fraction & QuietBit) != 0 ? FloatClass.QuietNan : FloatClass.SignalingNan;
        }
        else if (exponent != 0)
        {
            u.Significand = fraction | Extended.IntegerBit;
            u.Exponent = exponent - bias;
            u.Class = FloatClass.Finite;
        }
        else if (fraction != 0 && !denormalsAreZero)
        {
            int shift = BitOperations.LeadingZeroCount(fraction);
            u.Significand = fraction << shift;
            u.Exponent = 1 - bias - shift;
            u.Class = FloatClass.Finite;
            u.Denormal = true;
        }

        return u;
    }

    public static Unpacked From80(Extended value)
    {
        Unpacked u = default;
        u.Sign = value.Sign;
        ulong significand = value.Significand;
        int exponent = value.BiasedExponent;
        bool integer = (significand & Extended.IntegerBit) != 0;
        if (exponent == 0)
        {
            if (significand == 0) return u;
            int shift = BitOperations.LeadingZeroCount(significand);
            u.Significand = significand << shift;
            u.Exponent = 1 - Bias80 - shift;
            u.Class = FloatClass.Finite;
            u.Denormal = true;
            return u;
        }

        u.Significand = significand;
        u.Exponent = exponent - Bias80;
        if (!integer) u.Class = FloatClass.Unsupported;
        else if (exponent != Extended.ExponentMask) u.Class = FloatClass.Finite;
        else if (significand << 1 == 0) u.Class = FloatClass.Infinity;
        else u.Class = (significand & QuietBit) != 0 ? FloatClass.QuietNan : FloatClass.SignalingNan;
        return u;
    }

    /// <summary>An integer, exactly.</summary>
    public static Unpacked FromInt64(long value) => FromUInt64(value < 0, value < 0 ? 0UL - (ulong)value : (ulong)value);

    /// <summary>A sign and an integer, exactly.</summary>
    public static Unpacked FromUInt64(bool sign, ulong magnitude)
    {
        if (magnitude == 0) return ZeroOf(sign);
        int shift = BitOperations.LeadingZeroCount(magnitude);
        return FiniteOf(sign, 63 - shift, magnitude << shift);
    }

    // ---- to formats; the number must have been rounded to the format ---------------------------------------------------------------

    public readonly uint To32()
    {
        uint sign = Sign ? 1u << 31 : 0;
        switch (Class)
        {
            case FloatClass.Zero: return sign;
            case FloatClass.Finite:
                int biased = Exponent + Bias32;
                return biased > 0
                    ? sign | (uint)biased << 23 | ((uint)(Significand >> 40) & 0x7fffff)
                    : sign | (biased <= -24 ? 0 : (uint)(Significand >> (41 - biased)));
            default: return sign | 0x7f800000 | ((uint)(Significand >> 40) & 0x7fffff);
        }
    }

    public readonly ulong To64()
    {
        ulong sign = Sign ? 1UL << 63 : 0;
        switch (Class)
        {
            case FloatClass.Zero: return sign;
            case FloatClass.Finite:
                int biased = Exponent + Bias64;
                return biased > 0
                    ? sign | (ulong)biased << 52 | (Significand >> 11 & 0xfffffffffffff)
                    : sign | (biased <= -52 ? 0 : Significand >> (12 - biased));
            default: return sign | 0x7ff0000000000000 | (Significand >> 11 & 0xfffffffffffff);
        }
    }

    public readonly Extended To80()
    {
        ushort sign = Sign ? Extended.SignBit : (ushort)0;
        switch (Class)
        {
            case FloatClass.Zero: return new Extended(0, sign);
            case FloatClass.Finite:
                int biased = Exponent + Bias80;
                return biased > 0
                    ? new Extended(Significand, (ushort)(sign | biased))
                    : new Extended(biased <= -63 ? 0 : Significand >> (1 - biased), sign);
            default: return new Extended(Significand, (ushort)(sign | Extended.ExponentMask));
        }
    }
}
