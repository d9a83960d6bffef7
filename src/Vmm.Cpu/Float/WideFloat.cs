namespace Vmm.Cpu.Float;

/// <summary>
/// A number with a 128-bit significand for the inside of the transcendental functions: ±(High.Low) × 2^(Exponent - 63), bit 63 of High set unless
/// it is zero. Results are cut, not rounded; each operation errs by less than 2^-124 of its result.
/// </summary>
internal readonly struct WideFloat(bool sign, int exponent, ulong high, ulong low)
{
    public readonly ulong High = high;
    public readonly ulong Low = low;
    public readonly int Exponent = exponent;
    public readonly bool Sign = sign;

    public static WideFloat One => new(false, 0, 1UL << 63, 0);

    /// <summary>ln 2.</summary>
    public static WideFloat Ln2 => new(false, -1, 0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af);

    /// <summary>2 / ln 2.</summary>
    public static WideFloat TwoOverLn2 => new(false, 1, 0xb8aa3b295c17f0bb, 0xbe87fed0691d3e88);

    /// <summary>π.</summary>
    public static WideFloat Pi => new(false, 1, 0xc90fdaa22168c234, 0xc4c6628b80dc1cd1);

    public bool IsZero => High == 0;

    public static WideFloat From(in Unpacked value) => value.IsZero ? default : new WideFloat(value.Sign, value.Exponent, value.Significand, 0);

    /// <summary>An integer times a power of two.</summary>
    public static WideFloat FromInteger(UInt128 value, int scale = 0, bool sign = false)
    {
        if (value == UInt128.Zero) return default;
        ulong high = (ulong)(value >> 64), low = (ulong)value;
        int shift = WideInteger.Normalize(ref high, ref low);
        return new WideFloat(sign, 127 - shift + scale, high, low);
    }

    public static WideFloat operator -(in WideFloat a) => new(!a.Sign, a.Exponent, a.High, a.Low);

    public static WideFloat operator -(in WideFloat a, in WideFloat b) => a + -b;

    public static WideFloat operator +(in WideFloat a, in WideFloat b)
    {
        if (a.IsZero) return b;
        if (b.IsZero) return a;
        bool swap = a.Exponent < b.Exponent || (a.Exponent == b.Exponent && (a.High < b.High || (a.High == b.High && a.Low < b.Low)));
        WideFloat big = swap ? b : a, small = swap ? a : b;
        ulong high = small.High, low = small.Low;
        int distance = big.Exponent - small.Exponent;
        if (distance >= 128) return big;
        if (distance >= 64)
        {
            low = high >> (distance - 64);
            high = 0;
        }
        else if (distance != 0)
        {
            low = (low >> distance) | (high << (64 - distance));
            high >>= distance;
        }

        if (big.Sign == small.Sign)
        {
            ulong sumLow = big.Low + low;
            ulong carry = sumLow < low ? 1UL : 0;
            ulong sumHigh = big.High + high + carry;
            bool overflow = sumHigh < big.High || (carry != 0 && sumHigh == big.High);
            return overflow
                ? new WideFloat(big.Sign, big.Exponent + 1, (sumHigh >> 1) | (1UL << 63), (sumLow >> 1) | (sumHigh << 63))
                : new WideFloat(big.Sign, big.Exponent, sumHigh, sumLow);
        }

        ulong differenceHigh = big.High - high - (big.Low < low ? 1UL : 0), differenceLow = big.Low - low;
        if ((differenceHigh | differenceLow) == 0) return default;
        int shift = WideInteger.Normalize(ref differenceHigh, ref differenceLow);
        return new WideFloat(big.Sign, big.Exponent - shift, differenceHigh, differenceLow);
    }

    public static WideFloat operator *(in WideFloat a, in WideFloat b)
    {
        if (a.IsZero || b.IsZero) return default;
        ulong high = Math.BigMul(a.High, b.High, out ulong low);
        ulong cross1 = Math.BigMul(a.High, b.Low, out _), cross2 = Math.BigMul(a.Low, b.High, out _);
        low += cross1;
        if (low < cross1) high++;
        low += cross2;
        if (low < cross2) high++;
        int exponent = a.Exponent + b.Exponent + 1;
        if (high >> 63 == 0)
        {
            high = (high << 1) | (low >> 63);
            low <<= 1;
            exponent--;
        }

        return new WideFloat(a.Sign ^ b.Sign, exponent, high, low);
    }

    /// <summary>Division by the reciprocal: 64 bits of it by integers, the rest by one step of Newton's method.</summary>
    public static WideFloat operator /(in WideFloat a, in WideFloat b) => a * b.Reciprocal();

    public WideFloat Reciprocal()
    {
        // 2^126 / High lies from 2^62 to 2^63.
        ulong first = WideInteger.Divide(1UL << 62, 0, High, out _);
        ulong low = 0;
        int shift = WideInteger.Normalize(ref first, ref low);
        WideFloat estimate = new(Sign, -Exponent - shift, first, 0);
        WideFloat error = One - (this * estimate);
        return estimate + (estimate * error);
    }

    /// <summary>Rounds to extended precision; an inexact value (all but a few) sets PE.</summary>
    public Unpacked Round(bool exact, ref FloatContext c)
        => IsZero ? Unpacked.ZeroOf(Sign) : FloatMath.Round(Sign, Exponent, High, exact ? Low : Low | 1, FloatFormat.Extended, ref c);
}
