namespace Vmm.Cpu.Float;

/// <summary>
/// The functions behind F2XM1, FYL2X, FPATAN, FSIN and their like, by power series on 128-bit significands after an exact reduction of the
/// argument. The results are wrong by at most about 2^-100, so all but the rarest round correctly (Intel SDM vol. 1 §8.3.10 asks for one ulp).
/// </summary>
internal static class Transcendental
{
    private const int MaxTerms = 64;

    /// <summary>A term this many binary places below the sum ends a series.</summary>
    private const int Enough = 110;

    // π/2 with the 66 bits that the processor's own π has: this integer × 2^-67.
    private const int HalfPiScale = -67;
    private static readonly UInt128 HalfPi = new(0xc, 0x90fdaa22168c234c);

    private static readonly WideFloat[] Reciprocals = BuildReciprocals();

    private static WideFloat[] BuildReciprocals()
    {
        WideFloat[] table = new WideFloat[(2 * MaxTerms) + 2];
        for (int n = 1; n < table.Length; n++) table[n] = WideFloat.FromInteger((ulong)n).Reciprocal();
        return table;
    }

    private static bool Negligible(in WideFloat term, in WideFloat sum) => term.IsZero || term.Exponent < sum.Exponent - Enough;

    /// <summary>e^y - 1 for |y| below 1.</summary>
    private static WideFloat ExponentialMinusOne(in WideFloat y)
    {
        WideFloat term = y, sum = y;
        for (int n = 2; n < MaxTerms; n++)
        {
            term = term * y * Reciprocals[n];
            if (Negligible(term, sum)) break;
            sum += term;
        }

        return sum;
    }

    /// <summary>2^x - 1 for |x| ≤ 1.</summary>
    public static WideFloat PowerMinusOne(in Unpacked x) => ExponentialMinusOne(WideFloat.From(x) * WideFloat.Ln2);

    /// <summary>z + z³/3 + z⁵/5 + … (artanh), or with alternating signs (arctan).</summary>
    private static WideFloat OddSeries(in WideFloat z, bool alternating)
    {
        WideFloat square = z * z, power = z, sum = z;
        for (int n = 3; n < 2 * MaxTerms; n += 2)
        {
            power *= alternating ? -square : square;
            WideFloat term = power * Reciprocals[n];
            if (Negligible(term, sum)) break;
            sum += term;
        }

        return sum;
    }

    /// <summary>log2 of a positive number. Exact for powers of two.</summary>
    public static WideFloat Log2(in WideFloat x)
    {
        // x = 2^whole × m with m between √½ and √2, so that the two parts never cancel.
        const ulong SqrtTwo = 0xb504f333f9de6485;
        bool upper = x.High >= SqrtTwo;
        int whole = x.Exponent + (upper ? 1 : 0);
        WideFloat m = new(false, upper ? -1 : 0, x.High, x.Low);
        WideFloat difference = m - WideFloat.One;
        WideFloat integer = WideFloat.FromInteger((ulong)Math.Abs(whole), sign: whole < 0);
        if (difference.IsZero) return integer;
        return integer + (OddSeries(difference / (m + WideFloat.One), alternating: false) * WideFloat.TwoOverLn2);
    }

    /// <summary>log2(1 + x) for x above -1, without loss near 0.</summary>
    public static WideFloat Log2PlusOne(in Unpacked x)
    {
        WideFloat wide = WideFloat.From(x);
        if (x.Exponent >= -2) return Log2(WideFloat.One + wide);
        WideFloat two = WideFloat.FromInteger(2);
        return OddSeries(wide / (two + wide), alternating: false) * WideFloat.TwoOverLn2;
    }

    /// <summary>The angle of the point (x, y), both finite and not zero, in all four quadrants.</summary>
    public static WideFloat Arctangent(in Unpacked y, in Unpacked x)
    {
        WideFloat a = WideFloat.From(y.WithSign(false)), b = WideFloat.From(x.WithSign(false));
        bool steep = a.Exponent > b.Exponent || (a.Exponent == b.Exponent && a.High > b.High);
        WideFloat angle = UpTo45Degrees(steep ? b : a, steep ? a : b);
        WideFloat half = new(false, WideFloat.Pi.Exponent - 1, WideFloat.Pi.High, WideFloat.Pi.Low);
        if (steep) angle = half - angle;
        if (x.Sign) angle = WideFloat.Pi - angle;
        return y.Sign ? -angle : angle;
    }

    /// <summary>arctan(small / big), reduced by 45° when the quotient is above one half.</summary>
    private static WideFloat UpTo45Degrees(in WideFloat small, in WideFloat big)
    {
        WideFloat quotient = small / big;
        if (quotient.Exponent < -1) return OddSeries(quotient, alternating: true);
        WideFloat quarter = new(false, WideFloat.Pi.Exponent - 2, WideFloat.Pi.High, WideFloat.Pi.Low);
        return quarter - OddSeries((big - small) / (big + small), alternating: true);
    }

    /// <summary>Sine and cosine of a number below 2^63.</summary>
    public static void SineCosine(in Unpacked x, out WideFloat sine, out WideFloat cosine)
    {
        WideFloat angle = Reduce(x, out int quadrant);
        WideFloat square = -(angle * angle);
        WideFloat s = angle, c = WideFloat.One, termS = angle, termC = WideFloat.One;
        for (int n = 1; n < MaxTerms; n += 2)
        {
            termC = termC * square * Reciprocals[n] * Reciprocals[n + 1];
            termS = termS * square * Reciprocals[n + 1] * Reciprocals[n + 2];
            if (Negligible(termC, c) && Negligible(termS, s)) break;
            c += termC;
            s += termS;
        }

        (sine, cosine) = quadrant switch
        {
            0 => (s, c),
            1 => (c, -s),
            2 => (-s, -c),
            _ => (-c, s),
        };
    }

    /// <summary>Takes whole quarter turns off, exactly by the processor's π; what is left is within 45°.</summary>
    private static WideFloat Reduce(in Unpacked x, out int quadrant)
    {
        quadrant = 0;
        if (x.Exponent < -1) return WideFloat.From(x);
        UInt128 rest = x.Significand;
        uint turns = 0;
        for (int shift = x.Exponent - 63 - HalfPiScale; shift > 0; shift--)
        {
            rest <<= 1;
            turns <<= 1;
            if (rest < HalfPi) continue;
            rest -= HalfPi;
            turns++;
        }

        bool beyond = rest > HalfPi - rest;
        if (beyond)
        {
            rest = HalfPi - rest;
            turns++;
        }

        quadrant = (int)((x.Sign ? 0 - turns : turns) & 3);
        return WideFloat.FromInteger(rest, HalfPiScale, beyond ^ x.Sign);
    }
}
