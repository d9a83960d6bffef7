using System.Runtime.CompilerServices;

namespace Vmm.Cpu.Float;

/// <summary>
/// Correctly rounded arithmetic for every format of the processor, with its exceptions (IEEE 754-2008; Intel SDM vol. 1 §4.8, §4.9, §8.5, §11.5):
/// tininess is found after rounding, denormal operands are reported, NaNs propagate by the context's rule. An operation whose operands raise an
/// unmasked exception returns at once, with a result that means nothing.
/// </summary>
internal static class FloatMath
{
    private const ulong TopBit = 1UL << 63;

    // ---- rounding -----------------------------------------------------------------------------------------------------------------

    /// <summary>
    /// Rounds ±(high.low) × 2^(exponent - 63), bit 63 of <paramref name="high"/> set, bit 0 of <paramref name="low"/> sticky, to a format.
    /// </summary>
    public static Unpacked Round(bool sign, int exponent, ulong high, ulong low, FloatFormat format, ref FloatContext c)
    {
        c.RoundedUp = false;
        if (exponent < format.MinExponent) return RoundTiny(sign, exponent, high, low, format, ref c);
        ulong significand = high;
        bool inexact = RoundBits(ref significand, low, format.Precision, sign, c.Rounding, out bool up);
        if (up && significand == 0)
        {
            significand = TopBit;
            exponent++;
        }

        if (exponent > format.MaxExponent) return Overflow(sign, exponent, significand, inexact, up, format, ref c);
        c.RoundedUp = up;
        if (inexact) c.Flags |= FloatFlags.PE;
        return Unpacked.FiniteOf(sign, exponent, significand);
    }

    /// <summary>Cuts a significand to some bits; false when nothing was lost. A carry out of bit 63 leaves 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool RoundBits(ref ulong significand, ulong low, int precision, bool sign, FloatRounding rounding, out bool up)
    {
        int drop = 64 - precision;
        ulong tail = low;
        if (drop != 0)
        {
            tail = (significand << precision) | (low >> drop) | (low << precision != 0 ? 1UL : 0);
            significand &= ulong.MaxValue << drop;
        }

        up = false;
        if (tail == 0) return false;
        ulong unit = 1UL << drop;
        up = rounding switch
        {
            FloatRounding.NearestEven => tail > TopBit || (tail == TopBit && (significand & unit) != 0),
            FloatRounding.Down => sign,
            FloatRounding.Up => !sign,
            _ => false,
        };
        if (up) significand += unit;
        return true;
    }

    private static Unpacked RoundTiny(bool sign, int exponent, ulong high, ulong low, FloatFormat format, ref FloatContext c)
    {
        // As if the exponent had no bounds: this decides whether the result is tiny at all.
        ulong unbounded = high;
        bool unboundedInexact = RoundBits(ref unbounded, low, format.Precision, sign, c.Rounding, out bool unboundedUp);
        bool carried = unboundedUp && unbounded == 0;
        bool tiny = exponent < format.MinExponent - 1 || !carried;
        if (tiny && (c.Masks & FloatFlags.UE) == 0)
        {
            c.Flags |= FloatFlags.UE;
            if (unboundedInexact) c.Flags |= FloatFlags.PE;
            c.RoundedUp = unboundedUp;
            if (carried)
            {
                unbounded = TopBit;
                exponent++;
            }

            return Unpacked.FiniteOf(sign, format.Wraps ? exponent + FloatFormat.WrapExponent : exponent, unbounded);
        }

        if (tiny && c.FlushToZero)
        {
            c.Flags |= FloatFlags.UE | FloatFlags.PE;
            return Unpacked.ZeroOf(sign);
        }

        WideInteger.ShiftRightSticky(ref high, ref low, format.MinExponent - exponent);
        bool inexact = RoundBits(ref high, low, format.Precision, sign, c.Rounding, out bool up);
        c.RoundedUp = up;
        if (inexact) c.Flags |= tiny ? FloatFlags.UE | FloatFlags.PE : FloatFlags.PE;
        if (high == 0) return Unpacked.ZeroOf(sign);
        ulong none = 0;
        int shift = WideInteger.Normalize(ref high, ref none);
        return Unpacked.FiniteOf(sign, format.MinExponent - shift, high);
    }

    private static Unpacked Overflow(bool sign, int exponent, ulong significand, bool inexact, bool up, FloatFormat format, ref FloatContext c)
    {
        c.Flags |= FloatFlags.OE;
        if ((c.Masks & FloatFlags.OE) == 0)
        {
            if (inexact) c.Flags |= FloatFlags.PE;
            c.RoundedUp = up;
            return Unpacked.FiniteOf(sign, format.Wraps ? exponent - FloatFormat.WrapExponent : exponent, significand);
        }

        c.Flags |= FloatFlags.PE;
        bool infinite = c.Rounding switch
        {
            FloatRounding.NearestEven => true,
            FloatRounding.Down => sign,
            FloatRounding.Up => !sign,
            _ => false,
        };
        c.RoundedUp = infinite;
        return infinite ? Unpacked.InfinityOf(sign) : Unpacked.FiniteOf(sign, format.MaxExponent, ulong.MaxValue << (64 - format.Precision));
    }

    // ---- operands -------------------------------------------------------------------------------------------------------------------

    /// <summary>Reports a denormal operand. False: that is unmasked, stop.</summary>
    public static bool Accept(in Unpacked a, ref FloatContext c)
    {
        if (!a.Denormal) return true;
        c.Flags |= FloatFlags.DE;
        return (c.Masks & FloatFlags.DE) != 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Accept(in Unpacked a, in Unpacked b, ref FloatContext c)
    {
        if (!(a.Denormal | b.Denormal)) return true;
        c.Flags |= FloatFlags.DE;
        return (c.Masks & FloatFlags.DE) != 0;
    }

    /// <summary>The masked answer to an invalid operation.</summary>
    public static Unpacked Invalid(ref FloatContext c)
    {
        c.Flags |= FloatFlags.IE;
        c.RoundedUp = false;
        return Unpacked.DefaultNan;
    }

    /// <summary>The result of a one-operand instruction on a NaN.</summary>
    public static Unpacked PropagateNan(in Unpacked a, ref FloatContext c)
    {
        c.RoundedUp = false;
        if (a.Class == FloatClass.Unsupported) return Invalid(ref c);
        if (a.Class == FloatClass.SignalingNan) c.Flags |= FloatFlags.IE;
        return a.Quieted();
    }

    /// <summary>The result of a two-operand instruction when at least one is a NaN.</summary>
    public static Unpacked PropagateNan(in Unpacked a, in Unpacked b, ref FloatContext c)
    {
        c.RoundedUp = false;
        if (a.Class == FloatClass.Unsupported || b.Class == FloatClass.Unsupported) return Invalid(ref c);
        bool aSignals = a.Class == FloatClass.SignalingNan, bSignals = b.Class == FloatClass.SignalingNan;
        if (aSignals || bSignals) c.Flags |= FloatFlags.IE;
        if (!b.IsNan) return a.Quieted();
        if (!a.IsNan) return b.Quieted();
        if (c.Nan == NanRule.FirstOperand) return a.Quieted();
        if (aSignals != bSignals) return aSignals ? b : a;
        if (a.Significand != b.Significand) return a.Significand > b.Significand ? a.Quieted() : b.Quieted();
        return a.Sign ? b.Quieted() : a.Quieted();
    }

    // ---- arithmetic -----------------------------------------------------------------------------------------------------------------

    /// <summary>a + b.</summary>
    public static Unpacked Add(in Unpacked a, in Unpacked b, FloatFormat format, ref FloatContext c) => AddSigned(a, b, b.Sign, format, ref c);

    /// <summary>a - b.</summary>
    public static Unpacked Subtract(in Unpacked a, in Unpacked b, FloatFormat format, ref FloatContext c) => AddSigned(a, b, !b.Sign, format, ref c);

    private static Unpacked AddSigned(in Unpacked a, in Unpacked b, bool bSign, FloatFormat format, ref FloatContext c)
    {
        c.RoundedUp = false;
        if (a.IsNan || b.IsNan) return PropagateNan(a, b, ref c);
        if (a.IsInfinity && b.IsInfinity && a.Sign != bSign) return Invalid(ref c);
        if (!Accept(a, b, ref c)) return a;
        if (a.IsInfinity) return a;
        if (b.IsInfinity) return b.WithSign(bSign);
        if (a.IsZero && b.IsZero) return Unpacked.ZeroOf(a.Sign == bSign ? a.Sign : c.Rounding == FloatRounding.Down);
        if (b.IsZero) return Round(a.Sign, a.Exponent, a.Significand, 0, format, ref c);
        if (a.IsZero) return Round(bSign, b.Exponent, b.Significand, 0, format, ref c);

        bool swap = a.Exponent < b.Exponent || (a.Exponent == b.Exponent && a.Significand < b.Significand);
        ulong high = swap ? b.Significand : a.Significand, low = 0;
        ulong otherHigh = swap ? a.Significand : b.Significand, otherLow = 0;
        int exponent = swap ? b.Exponent : a.Exponent;
        bool sign = swap ? bSign : a.Sign;
        WideInteger.ShiftRightSticky(ref otherHigh, ref otherLow, Math.Abs(a.Exponent - b.Exponent));
        if (a.Sign == bSign)
        {
            low = otherLow;
            high += otherHigh;
            if (high < otherHigh)
            {
                low = (low >> 1) | (low & 1) | (high << 63);
                high = (high >> 1) | TopBit;
                exponent++;
            }

            return Round(sign, exponent, high, low, format, ref c);
        }

        low = 0UL - otherLow;
        high -= otherHigh + (otherLow != 0 ? 1UL : 0);
        if ((high | low) == 0) return Unpacked.ZeroOf(c.Rounding == FloatRounding.Down);
        exponent -= WideInteger.Normalize(ref high, ref low);
        return Round(sign, exponent, high, low, format, ref c);
    }

    /// <summary>a × b.</summary>
    public static Unpacked Multiply(in Unpacked a, in Unpacked b, FloatFormat format, ref FloatContext c)
    {
        c.RoundedUp = false;
        if (a.IsNan || b.IsNan) return PropagateNan(a, b, ref c);
        if ((a.IsInfinity && b.IsZero) || (a.IsZero && b.IsInfinity)) return Invalid(ref c);
        if (!Accept(a, b, ref c)) return a;
        bool sign = a.Sign ^ b.Sign;
        if (a.IsInfinity || b.IsInfinity) return Unpacked.InfinityOf(sign);
        if (a.IsZero || b.IsZero) return Unpacked.ZeroOf(sign);
        ulong high = Math.BigMul(a.Significand, b.Significand, out ulong low);
        int exponent = a.Exponent + b.Exponent + 1;
        if ((high & TopBit) == 0)
        {
            high = (high << 1) | (low >> 63);
            low <<= 1;
            exponent--;
        }

        return Round(sign, exponent, high, low, format, ref c);
    }

    /// <summary>a / b.</summary>
    public static Unpacked Divide(in Unpacked a, in Unpacked b, FloatFormat format, ref FloatContext c)
    {
        c.RoundedUp = false;
        if (a.IsNan || b.IsNan) return PropagateNan(a, b, ref c);
        if ((a.IsInfinity && b.IsInfinity) || (a.IsZero && b.IsZero)) return Invalid(ref c);
        bool sign = a.Sign ^ b.Sign;
        if (b.IsZero && !a.IsInfinity)
        {
            c.Flags |= FloatFlags.ZE;
            return Unpacked.InfinityOf(sign);
        }

        if (!Accept(a, b, ref c)) return a;
        if (a.IsInfinity) return Unpacked.InfinityOf(sign);
        if (a.IsZero || b.IsInfinity) return Unpacked.ZeroOf(sign);
        bool below = a.Significand < b.Significand;
        ulong quotient = WideInteger.Divide(below ? a.Significand : a.Significand >> 1, below ? 0 : a.Significand << 63, b.Significand, out ulong remainder);
        return Round(sign, a.Exponent - b.Exponent - (below ? 1 : 0), quotient, Tail(remainder, b.Significand), format, ref c);
    }

    /// <summary>remainder / divisor as sticky fraction bits: only its relation to one half counts.</summary>
    private static ulong Tail(ulong remainder, ulong divisor)
    {
        if (remainder == 0) return 0;
        ulong opposite = divisor - remainder;
        return remainder < opposite ? 1 : remainder == opposite ? TopBit : TopBit | 1;
    }

    /// <summary>√a.</summary>
    public static Unpacked SquareRoot(in Unpacked a, FloatFormat format, ref FloatContext c)
    {
        c.RoundedUp = false;
        if (a.IsNan) return PropagateNan(a, ref c);
        if (a.IsZero) return a;
        if (a.Sign) return Invalid(ref c);
        if (!Accept(a, ref c)) return a;
        if (a.IsInfinity) return a;
        bool odd = (a.Exponent & 1) != 0;
        ulong high = odd ? a.Significand : a.Significand >> 1, low = odd ? 0 : a.Significand << 63;
        ulong root = WideInteger.SquareRoot(high, low, out bool exact, out bool aboveHalf);
        return Round(false, a.Exponent >> 1, root, exact ? 0 : aboveHalf ? TopBit | 1 : 1, format, ref c);
    }

    // ---- comparison -----------------------------------------------------------------------------------------------------------------

    /// <summary>Compares; quiet NaNs are invalid only when <paramref name="signalQuiet"/> (COMISS, FCOM; not UCOMISS, FUCOM).</summary>
    public static FloatOrder Compare(in Unpacked a, in Unpacked b, bool signalQuiet, ref FloatContext c)
    {
        if (a.IsNan || b.IsNan)
        {
            if (signalQuiet || a.Class > FloatClass.QuietNan || b.Class > FloatClass.QuietNan) c.Flags |= FloatFlags.IE;
            return FloatOrder.Unordered;
        }

        Accept(a, b, ref c);
        if (a.IsZero && b.IsZero) return FloatOrder.Equal;
        bool aNegative = a.Sign && !a.IsZero, bNegative = b.Sign && !b.IsZero;
        if (aNegative != bNegative) return aNegative ? FloatOrder.Less : FloatOrder.Greater;
        int magnitude = CompareMagnitude(a, b);
        if (magnitude == 0) return FloatOrder.Equal;
        return magnitude < 0 != aNegative ? FloatOrder.Less : FloatOrder.Greater;
    }

    private static int CompareMagnitude(in Unpacked a, in Unpacked b)
    {
        if (a.Class != b.Class) return a.Class.CompareTo(b.Class);
        if (a.Class != FloatClass.Finite) return 0;
        return a.Exponent != b.Exponent ? a.Exponent.CompareTo(b.Exponent) : a.Significand.CompareTo(b.Significand);
    }

    // ---- conversion -----------------------------------------------------------------------------------------------------------------

    /// <summary>To another format. A signalling NaN is quieted and invalid; a denormal is reported only where <paramref name="reportDenormal"/> (not by x87 stores).</summary>
    public static Unpacked Convert(in Unpacked a, FloatFormat format, ref FloatContext c, bool reportDenormal = true)
    {
        c.RoundedUp = false;
        if (a.IsNan) return PropagateNan(a, ref c);
        if (reportDenormal && !Accept(a, ref c)) return a;
        return a.Class == FloatClass.Finite ? Round(a.Sign, a.Exponent, a.Significand, 0, format, ref c) : a;
    }

    /// <summary>A signed integer of some bits, rounded to a format.</summary>
    public static Unpacked FromInt64(long value, FloatFormat format, ref FloatContext c)
    {
        Unpacked exact = Unpacked.FromInt64(value);
        c.RoundedUp = false;
        return exact.IsZero ? exact : Round(exact.Sign, exact.Exponent, exact.Significand, 0, format, ref c);
    }

    /// <summary>The integer part and what is behind it, for rounding: magnitudes below 2^64 only.</summary>
    private static ulong RoundedMagnitude(in Unpacked a, FloatRounding rounding, out bool inexact, out bool up, out bool carried)
    {
        ulong high = a.Significand, low = 0;
        WideInteger.ShiftRightSticky(ref high, ref low, Math.Min(63 - a.Exponent, 200));
        inexact = RoundBits(ref high, low, 64, a.Sign, rounding, out up);
        carried = up && high == 0;
        return high;
    }

    /// <summary>
    /// To a signed integer of 16, 32 or 64 bits. Out of range and NaN: invalid, and the integer indefinite (the most negative one) is returned.
    /// </summary>
    public static long ToInteger(in Unpacked a, int bits, FloatRounding rounding, ref FloatContext c)
    {
        c.RoundedUp = false;
        long indefinite = long.MinValue >> (64 - bits);
        if (a.IsZero) return 0;
        if (a.Class != FloatClass.Finite || a.Exponent > 63) return InvalidInteger(indefinite, ref c);
        ulong magnitude = RoundedMagnitude(a, rounding, out bool inexact, out bool up, out bool carried);
        ulong limit = 1UL << (bits - 1);
        if (carried || magnitude > limit || (magnitude == limit && !a.Sign)) return InvalidInteger(indefinite, ref c);
        if (inexact) c.Flags |= FloatFlags.PE;
        c.RoundedUp = up;
        return a.Sign ? (long)(0UL - magnitude) : (long)magnitude;
    }

    private static long InvalidInteger(long indefinite, ref FloatContext c)
    {
        c.Flags |= FloatFlags.IE;
        return indefinite;
    }

    /// <summary>To an integer in the same format. Denormal operands are not reported (FRNDINT does that for itself).</summary>
    public static Unpacked RoundToIntegral(in Unpacked a, FloatRounding rounding, bool reportInexact, ref FloatContext c)
    {
        c.RoundedUp = false;
        if (a.IsNan) return PropagateNan(a, ref c);
        if (a.Class != FloatClass.Finite || a.Exponent >= 63) return a;
        ulong magnitude = RoundedMagnitude(a, rounding, out bool inexact, out bool up, out _);
        if (inexact && reportInexact) c.Flags |= FloatFlags.PE;
        c.RoundedUp = up;
        return Unpacked.FromUInt64(a.Sign, magnitude);
    }
}
