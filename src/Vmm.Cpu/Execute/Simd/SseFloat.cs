using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Vmm.Cpu.Decode;
using Vmm.Cpu.Float;
using Vmm.Cpu.State;
using static Vmm.Cpu.Execute.Simd.SimdOperands;

namespace Vmm.Cpu.Execute.Simd;

/// <summary>Floating-point arithmetic; <see cref="FloatUnit"/> says how the host's instructions are used for it.</summary>
internal static unsafe class SseFloat
{
    // ---- two operands ----------------------------------------------------------------------------------------------------------------

    public static bool Packed32<T>(Cpu cpu, Op* op)
        where T : struct, IFloatOperation
        => Combine32<T>(cpu, op, First<float>(cpu, op), Second<float>(cpu, op));

    public static bool Packed64<T>(Cpu cpu, Op* op)
        where T : struct, IFloatOperation
        => Combine64<T>(cpu, op, First<double>(cpu, op), Second<double>(cpu, op));

    public static bool Scalar32<T>(Cpu cpu, Op* op)
        where T : struct, IFloatOperation
    {
        float a = First<float>(cpu, op).ToScalar(), b = Second<float>(cpu, op).ToScalar();
        if (FloatUnit.IsHostLike(cpu) && FloatUnit.IsPlain(a) && FloatUnit.IsPlain(b))
        {
            float r = T.Run(a, b);
            if (FloatUnit.IsSafe(r) || (r == 0 && (T.ZeroIsExact || a == 0 || b == 0))) return PutLow(cpu, op, BitConverter.SingleToUInt32Bits(r));
        }

        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        uint result = T.Compute(First<uint>(cpu, op).ToScalar(), Second<uint>(cpu, op).ToScalar(), ref c);
        return FloatUnit.Commit(cpu, c) && PutLow(cpu, op, result);
    }

    public static bool Scalar64<T>(Cpu cpu, Op* op)
        where T : struct, IFloatOperation
    {
        double a = First<double>(cpu, op).ToScalar(), b = Second<double>(cpu, op).ToScalar();
        if (FloatUnit.IsHostLike(cpu) && FloatUnit.IsPlain(a) && FloatUnit.IsPlain(b))
        {
            double r = T.Run(a, b);
            if (FloatUnit.IsSafe(r) || (r == 0 && (T.ZeroIsExact || a == 0 || b == 0))) return PutLow(cpu, op, BitConverter.DoubleToUInt64Bits(r));
        }

        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        ulong result = T.Compute(First<ulong>(cpu, op).ToScalar(), Second<ulong>(cpu, op).ToScalar(), ref c);
        return FloatUnit.Commit(cpu, c) && PutLow(cpu, op, result);
    }

    private static bool Combine32<T>(Cpu cpu, Op* op, Vector128<float> a, Vector128<float> b)
        where T : struct, IFloatOperation
    {
        if (FloatUnit.IsHostLike(cpu) && FloatUnit.ArePlain(a) && FloatUnit.ArePlain(b))
        {
            Vector128<float> mayBeZero = T.ZeroIsExact ? Vector128<float>.AllBitsSet : Vector128.Equals(a, default) | Vector128.Equals(b, default);
            Vector128<float> r = T.Run(a, b);
            if (FloatUnit.AreSafe(r, mayBeZero)) return Put(cpu, op, r);
        }

        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        Vector128<uint> result = default;
        for (int i = 0; i < Vector128<uint>.Count; i++) result = result.WithElement(i, T.Compute(a.AsUInt32().GetElement(i), b.AsUInt32().GetElement(i), ref c));
        return FloatUnit.Commit(cpu, c) && Put(cpu, op, result);
    }

    private static bool Combine64<T>(Cpu cpu, Op* op, Vector128<double> a, Vector128<double> b)
        where T : struct, IFloatOperation
    {
        if (FloatUnit.IsHostLike(cpu) && FloatUnit.ArePlain(a) && FloatUnit.ArePlain(b))
        {
            Vector128<double> r = T.Run(a, b);
            if (IsExpected<T>(r, a, b, 0) && IsExpected<T>(r, a, b, 1)) return Put(cpu, op, r);
        }

        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        ulong low = T.Compute(a.AsUInt64().GetElement(0), b.AsUInt64().GetElement(0), ref c);
        ulong high = T.Compute(a.AsUInt64().GetElement(1), b.AsUInt64().GetElement(1), ref c);
        return FloatUnit.Commit(cpu, c) && Put(cpu, op, Vector128.Create(low, high));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsExpected<T>(Vector128<double> r, Vector128<double> a, Vector128<double> b, int i)
        where T : struct, IFloatOperation
    {
        double result = r.GetElement(i);
        return FloatUnit.IsSafe(result) || (result == 0 && (T.ZeroIsExact || a.GetElement(i) == 0 || b.GetElement(i) == 0));
    }

    /// <summary>Writes the lowest 4 bytes of the destination.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool PutLow(Cpu cpu, Op* op, uint value) => Put(cpu, op, First<uint>(cpu, op).WithElement(0, value));

    /// <summary>Writes the low half of the destination.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool PutLow(Cpu cpu, Op* op, ulong value) => Put(cpu, op, First<ulong>(cpu, op).WithElement(0, value));

    // ---- SSE3: neighbours combined, and alternating signs ------------------------------------------------------------------------------

    /// <summary>HADDPS and HSUBPS.</summary>
    public static bool Horizontal32<T>(Cpu cpu, Op* op)
        where T : struct, IFloatOperation
    {
        const byte Even = 0b10_00_10_00, Odd = 0b11_01_11_01;
        Vector128<float> a = First<float>(cpu, op), b = Second<float>(cpu, op);
        return Combine32<T>(cpu, op, Sse.Shuffle(a, b, Even), Sse.Shuffle(a, b, Odd));
    }

    /// <summary>HADDPD and HSUBPD.</summary>
    public static bool Horizontal64<T>(Cpu cpu, Op* op)
        where T : struct, IFloatOperation
    {
        Vector128<double> a = First<double>(cpu, op), b = Second<double>(cpu, op);
        return Combine64<T>(cpu, op, Sse2.UnpackLow(a, b), Sse2.UnpackHigh(a, b));
    }

    public static bool Addsubps(Cpu cpu, Op* op)
    {
        Vector128<uint> a = First<uint>(cpu, op), b = Second<uint>(cpu, op), result = default;
        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        for (int i = 0; i < Vector128<uint>.Count; i++)
        {
            uint one = (i & 1) == 0 ? Binary32.Subtract(a.GetElement(i), b.GetElement(i), ref c) : Binary32.Add(a.GetElement(i), b.GetElement(i), ref c);
            result = result.WithElement(i, one);
        }

        return FloatUnit.Commit(cpu, c) && Put(cpu, op, result);
    }

    public static bool Addsubpd(Cpu cpu, Op* op)
    {
        Vector128<ulong> a = First<ulong>(cpu, op), b = Second<ulong>(cpu, op);
        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        ulong low = Binary64.Subtract(a.GetElement(0), b.GetElement(0), ref c), high = Binary64.Add(a.GetElement(1), b.GetElement(1), ref c);
        return FloatUnit.Commit(cpu, c) && Put(cpu, op, Vector128.Create(low, high));
    }

    // ---- square roots and approximations -----------------------------------------------------------------------------------------------

    public static bool Sqrtps(Cpu cpu, Op* op)
    {
        Vector128<float> b = Second<float>(cpu, op);
        if (FloatUnit.IsHostLike(cpu) && FloatUnit.ArePlain(b))
        {
            Vector128<float> r = Sse.Sqrt(b);
            if (FloatUnit.AreSafe(r, Vector128<float>.AllBitsSet)) return Put(cpu, op, r);
        }

        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        Vector128<uint> result = default;
        for (int i = 0; i < Vector128<uint>.Count; i++) result = result.WithElement(i, Binary32.SquareRoot(b.AsUInt32().GetElement(i), ref c));
        return FloatUnit.Commit(cpu, c) && Put(cpu, op, result);
    }

    public static bool Sqrtpd(Cpu cpu, Op* op)
    {
        Vector128<double> b = Second<double>(cpu, op);
        if (FloatUnit.IsHostLike(cpu) && FloatUnit.ArePlain(b))
        {
            Vector128<double> r = Sse2.Sqrt(b);
            if (FloatUnit.ArePlain(r)) return Put(cpu, op, r);
        }

        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        ulong low = Binary64.SquareRoot(b.AsUInt64().GetElement(0), ref c), high = Binary64.SquareRoot(b.AsUInt64().GetElement(1), ref c);
        return FloatUnit.Commit(cpu, c) && Put(cpu, op, Vector128.Create(low, high));
    }

    public static bool Sqrtss(Cpu cpu, Op* op)
    {
        float b = Second<float>(cpu, op).ToScalar();
        if (FloatUnit.IsHostLike(cpu) && FloatUnit.IsPlain(b) && b >= 0) return PutLow(cpu, op, BitConverter.SingleToUInt32Bits(MathF.Sqrt(b)));
        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        uint result = Binary32.SquareRoot(BitConverter.SingleToUInt32Bits(b), ref c);
        return FloatUnit.Commit(cpu, c) && PutLow(cpu, op, result);
    }

    public static bool Sqrtsd(Cpu cpu, Op* op)
    {
        double b = Second<double>(cpu, op).ToScalar();
        if (FloatUnit.IsHostLike(cpu) && FloatUnit.IsPlain(b) && b >= 0) return PutLow(cpu, op, BitConverter.DoubleToUInt64Bits(Math.Sqrt(b)));
        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        ulong result = Binary64.SquareRoot(BitConverter.DoubleToUInt64Bits(b), ref c);
        return FloatUnit.Commit(cpu, c) && PutLow(cpu, op, result);
    }

    // The approximations obey neither rounding nor flags nor DAZ, and differ from processor to processor: the host's are the guest's.

    public static bool Rcpps(Cpu cpu, Op* op) => Put(cpu, op, Sse.Reciprocal(Second<float>(cpu, op)));

    public static bool Rcpss(Cpu cpu, Op* op) => Put(cpu, op, Sse.ReciprocalScalar(First<float>(cpu, op), Second<float>(cpu, op)));

    public static bool Rsqrtps(Cpu cpu, Op* op) => Put(cpu, op, Sse.ReciprocalSqrt(Second<float>(cpu, op)));

    public static bool Rsqrtss(Cpu cpu, Op* op) => Put(cpu, op, Sse.ReciprocalSqrtScalar(First<float>(cpu, op), Second<float>(cpu, op)));

    // ---- SSE4.1: rounding to an integral value; Imm bits 1:0 RC, bit 2 MXCSR.RC instead, bit 3 no PE -----------------------------------

    public static bool Roundps(Cpu cpu, Op* op)
    {
        Vector128<float> b = Second<float>(cpu, op);
        FloatRounding rounding = RoundingOf(cpu, op);
        if (MayIgnoreInexact(cpu, op) && FloatUnit.ArePlain(b)) return Put(cpu, op, Integral(b, rounding));
        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        Vector128<uint> result = default;
        for (int i = 0; i < Vector128<uint>.Count; i++)
            result = result.WithElement(i, Binary32.RoundToIntegral(b.AsUInt32().GetElement(i), rounding, ReportsInexact(op), ref c));
        return FloatUnit.Commit(cpu, c) && Put(cpu, op, result);
    }

    public static bool Roundpd(Cpu cpu, Op* op)
    {
        Vector128<double> b = Second<double>(cpu, op);
        FloatRounding rounding = RoundingOf(cpu, op);
        if (MayIgnoreInexact(cpu, op) && FloatUnit.ArePlain(b)) return Put(cpu, op, Integral(b, rounding));
        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        ulong low = Binary64.RoundToIntegral(b.AsUInt64().GetElement(0), rounding, ReportsInexact(op), ref c);
        ulong high = Binary64.RoundToIntegral(b.AsUInt64().GetElement(1), rounding, ReportsInexact(op), ref c);
        return FloatUnit.Commit(cpu, c) && Put(cpu, op, Vector128.Create(low, high));
    }

    public static bool Roundss(Cpu cpu, Op* op)
    {
        Vector128<float> b = Second<float>(cpu, op);
        FloatRounding rounding = RoundingOf(cpu, op);
        if (MayIgnoreInexact(cpu, op) && FloatUnit.IsPlain(b.ToScalar())) return PutLow(cpu, op, Integral(b, rounding).AsUInt32().ToScalar());
        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        uint result = Binary32.RoundToIntegral(b.AsUInt32().ToScalar(), rounding, ReportsInexact(op), ref c);
        return FloatUnit.Commit(cpu, c) && PutLow(cpu, op, result);
    }

    public static bool Roundsd(Cpu cpu, Op* op)
    {
        Vector128<double> b = Second<double>(cpu, op);
        FloatRounding rounding = RoundingOf(cpu, op);
        if (MayIgnoreInexact(cpu, op) && FloatUnit.IsPlain(b.ToScalar())) return PutLow(cpu, op, Integral(b, rounding).AsUInt64().ToScalar());
        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        ulong result = Binary64.RoundToIntegral(b.AsUInt64().ToScalar(), rounding, ReportsInexact(op), ref c);
        return FloatUnit.Commit(cpu, c) && PutLow(cpu, op, result);
    }

    private static FloatRounding RoundingOf(Cpu cpu, Op* op)
    {
        const int FromMxcsr = 4, Mask = 3;
        return (FloatRounding)((op->Imm & FromMxcsr) != 0 ? cpu.S->Mxcsr >> Mxcsr.RoundingShift & Mask : (uint)op->Imm & Mask);
    }

    private static bool ReportsInexact(Op* op)
    {
        const int Suppress = 8;
        return (op->Imm & Suppress) == 0;
    }

    private static bool MayIgnoreInexact(Cpu cpu, Op* op) => !ReportsInexact(op) || FloatUnit.IgnoresInexact(cpu);

    private static Vector128<float> Integral(Vector128<float> value, FloatRounding rounding) => rounding switch
    {
        FloatRounding.NearestEven => Sse41.RoundToNearestInteger(value),
        FloatRounding.Down => Sse41.RoundToNegativeInfinity(value),
        FloatRounding.Up => Sse41.RoundToPositiveInfinity(value),
        _ => Sse41.RoundToZero(value),
    };

    private static Vector128<double> Integral(Vector128<double> value, FloatRounding rounding) => rounding switch
    {
        FloatRounding.NearestEven => Sse41.RoundToNearestInteger(value),
        FloatRounding.Down => Sse41.RoundToNegativeInfinity(value),
        FloatRounding.Up => Sse41.RoundToPositiveInfinity(value),
        _ => Sse41.RoundToZero(value),
    };

    // ---- SSE4.1: dot products; Imm bits 7:4 choose the products, bits 3:0 the places of the sum ------------------------------------------

    public static bool Dpps(Cpu cpu, Op* op)
    {
        const int Products = 4;
        Vector128<uint> a = First<uint>(cpu, op), b = Second<uint>(cpu, op), p = default, result = default;
        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        for (int i = 0; i < Vector128<uint>.Count; i++)
        {
            if ((op->Imm >> (Products + i) & 1) != 0) p = p.WithElement(i, Binary32.Multiply(a.GetElement(i), b.GetElement(i), ref c));
        }

        if (!FloatUnit.Commit(cpu, c)) return false;
        uint low = Binary32.Add(p.GetElement(0), p.GetElement(1), ref c), high = Binary32.Add(p.GetElement(2), p.GetElement(3), ref c);
        if (!FloatUnit.Commit(cpu, c)) return false;
        uint sum = Binary32.Add(low, high, ref c);
        if (!FloatUnit.Commit(cpu, c)) return false;
        for (int i = 0; i < Vector128<uint>.Count; i++)
        {
            if ((op->Imm >> i & 1) != 0) result = result.WithElement(i, sum);
        }

        return Put(cpu, op, result);
    }

    public static bool Dppd(Cpu cpu, Op* op)
    {
        const int Products = 4;
        Vector128<ulong> a = First<ulong>(cpu, op), b = Second<ulong>(cpu, op);
        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        ulong low = (op->Imm >> Products & 1) != 0 ? Binary64.Multiply(a.GetElement(0), b.GetElement(0), ref c) : 0;
        ulong high = (op->Imm >> (Products + 1) & 1) != 0 ? Binary64.Multiply(a.GetElement(1), b.GetElement(1), ref c) : 0;
        if (!FloatUnit.Commit(cpu, c)) return false;
        ulong sum = Binary64.Add(low, high, ref c);
        if (!FloatUnit.Commit(cpu, c)) return false;
        return Put(cpu, op, Vector128.Create((op->Imm & 1) != 0 ? sum : 0, (op->Imm & 2) != 0 ? sum : 0));
    }
}
