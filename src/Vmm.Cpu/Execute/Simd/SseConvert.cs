using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Vmm.Cpu.Decode;
using Vmm.Cpu.Float;
using Vmm.Cpu.State;
using static Vmm.Cpu.Execute.Simd.SimdOperands;

namespace Vmm.Cpu.Execute.Simd;

/// <summary>Conversions between floating-point formats and integers; <see cref="FloatUnit"/> says how the host's instructions are used for it.</summary>
internal static unsafe class SseConvert
{
    private const double Above64 = 9223372036854775808.0, Above32 = 2147483648.0;

    // ---- a general register to a scalar; Size is its width -----------------------------------------------------------------------------

    public static bool Cvtsi2ss(Cpu cpu, Op* op)
    {
        long value = op->Size == sizeof(long) ? (long)cpu.S->R[op->B] : (int)cpu.S->R[op->B];
        if (FloatUnit.IsHostLike(cpu)) return SseFloat.PutLow(cpu, op, BitConverter.SingleToUInt32Bits(value));
        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        uint result = Binary32.FromInt64(value, ref c);
        return FloatUnit.Commit(cpu, c) && SseFloat.PutLow(cpu, op, result);
    }

    public static bool Cvtsi2sd(Cpu cpu, Op* op)
    {
        if (op->Size == sizeof(int)) return SseFloat.PutLow(cpu, op, BitConverter.DoubleToUInt64Bits((int)cpu.S->R[op->B]));
        long value = (long)cpu.S->R[op->B];
        if (FloatUnit.IsHostLike(cpu)) return SseFloat.PutLow(cpu, op, BitConverter.DoubleToUInt64Bits(value));
        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        ulong result = Binary64.FromInt64(value, ref c);
        return FloatUnit.Commit(cpu, c) && SseFloat.PutLow(cpu, op, result);
    }

    // ---- a scalar to a general register of Size bytes ------------------------------------------------------------------------------------

    public static bool Cvtss2si(Cpu cpu, Op* op) => ToGeneral32(cpu, op, (FloatRounding)((cpu.S->Mxcsr & Mxcsr.RC) >> Mxcsr.RoundingShift));

    public static bool Cvttss2si(Cpu cpu, Op* op) => ToGeneral32(cpu, op, FloatRounding.Zero);

    public static bool Cvtsd2si(Cpu cpu, Op* op) => ToGeneral64(cpu, op, (FloatRounding)((cpu.S->Mxcsr & Mxcsr.RC) >> Mxcsr.RoundingShift));

    public static bool Cvttsd2si(Cpu cpu, Op* op) => ToGeneral64(cpu, op, FloatRounding.Zero);

    private static bool ToGeneral32(Cpu cpu, Op* op, FloatRounding rounding)
    {
        float value = Second<float>(cpu, op).ToScalar();
        if (FloatUnit.IsPlain(value) && TryInteger(cpu, value, op->Size, rounding, out long result)) return PutGeneral(cpu, op, result);
        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        result = Binary32.ToInteger(BitConverter.SingleToUInt32Bits(value), op->Size * 8, rounding, ref c);
        return FloatUnit.Commit(cpu, c) && PutGeneral(cpu, op, result);
    }

    private static bool ToGeneral64(Cpu cpu, Op* op, FloatRounding rounding)
    {
        double value = Second<double>(cpu, op).ToScalar();
        if (FloatUnit.IsPlain(value) && TryInteger(cpu, value, op->Size, rounding, out long result)) return PutGeneral(cpu, op, result);
        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        result = Binary64.ToInteger(BitConverter.DoubleToUInt64Bits(value), op->Size * 8, rounding, ref c);
        return FloatUnit.Commit(cpu, c) && PutGeneral(cpu, op, result);
    }

    /// <summary>The common case: in range, and exact or inexact without consequence.</summary>
    private static bool TryInteger(Cpu cpu, double value, int size, FloatRounding rounding, out long result)
    {
        double whole = rounding switch
        {
            FloatRounding.NearestEven => Math.Round(value, MidpointRounding.ToEven),
            FloatRounding.Down => Math.Floor(value),
            FloatRounding.Up => Math.Ceiling(value),
            _ => Math.Truncate(value),
        };
        double above = size == sizeof(long) ? Above64 : Above32;
        if (whole >= -above && whole < above && (whole == value || FloatUnit.IgnoresInexact(cpu)))
        {
            result = (long)whole;
            return true;
        }

        result = 0;
        return false;
    }

    private static bool PutGeneral(Cpu cpu, Op* op, long value)
    {
        cpu.S->R[op->A] = op->Size == sizeof(long) ? (ulong)value : (uint)value;
        return true;
    }

    // ---- between the formats -------------------------------------------------------------------------------------------------------------

    public static bool Cvtss2sd(Cpu cpu, Op* op)
    {
        float value = Second<float>(cpu, op).ToScalar();
        if (FloatUnit.IsPlain(value)) return SseFloat.PutLow(cpu, op, BitConverter.DoubleToUInt64Bits(value));
        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        ulong result = Binary32.ToBinary64(BitConverter.SingleToUInt32Bits(value), ref c);
        return FloatUnit.Commit(cpu, c) && SseFloat.PutLow(cpu, op, result);
    }

    public static bool Cvtsd2ss(Cpu cpu, Op* op)
    {
        double value = Second<double>(cpu, op).ToScalar();
        if (FloatUnit.IsHostLike(cpu) && FloatUnit.IsPlain(value))
        {
            float near = (float)value;
            if (FloatUnit.IsSafe(near) || value == 0) return SseFloat.PutLow(cpu, op, BitConverter.SingleToUInt32Bits(near));
        }

        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        uint result = Binary64.ToBinary32(BitConverter.DoubleToUInt64Bits(value), ref c);
        return FloatUnit.Commit(cpu, c) && SseFloat.PutLow(cpu, op, result);
    }

    public static bool Cvtps2pd(Cpu cpu, Op* op)
    {
        Vector128<float> value = Second<float>(cpu, op);
        if (FloatUnit.IsPlain(value.GetElement(0)) && FloatUnit.IsPlain(value.GetElement(1))) return Put(cpu, op, Sse2.ConvertToVector128Double(value));
        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        ulong low = Binary32.ToBinary64(value.AsUInt32().GetElement(0), ref c), high = Binary32.ToBinary64(value.AsUInt32().GetElement(1), ref c);
        return FloatUnit.Commit(cpu, c) && Put(cpu, op, Vector128.Create(low, high));
    }

    public static bool Cvtpd2ps(Cpu cpu, Op* op)
    {
        Vector128<ulong> value = Second<ulong>(cpu, op);
        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        uint low = Binary64.ToBinary32(value.GetElement(0), ref c), high = Binary64.ToBinary32(value.GetElement(1), ref c);
        return FloatUnit.Commit(cpu, c) && Put(cpu, op, Vector128.Create(low, high, 0, 0));
    }

    // ---- packed integers to floating point -------------------------------------------------------------------------------------------------

    public static bool Cvtdq2pd(Cpu cpu, Op* op) => Put(cpu, op, Sse2.ConvertToVector128Double(Second<int>(cpu, op)));

    public static bool Cvtdq2ps(Cpu cpu, Op* op)
    {
        Vector128<int> value = Second<int>(cpu, op);
        if (FloatUnit.IsHostLike(cpu)) return Put(cpu, op, Sse2.ConvertToVector128Single(value));
        return TrySingles(cpu, value, Vector128<int>.Count, out Vector128<uint> result) && Put(cpu, op, result);
    }

    /// <summary>CVTPI2PS: the low two elements, the others stay.</summary>
    public static bool Cvtpi2ps(Cpu cpu, Op* op)
        => TrySingles(cpu, Second<int>(cpu, op), 2, out Vector128<uint> result) && SseFloat.PutLow(cpu, op, result.AsUInt64().ToScalar());

    private static bool TrySingles(Cpu cpu, Vector128<int> value, int count, out Vector128<uint> result)
    {
        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        result = default;
        for (int i = 0; i < count; i++) result = result.WithElement(i, Binary32.FromInt64(value.GetElement(i), ref c));
        return FloatUnit.Commit(cpu, c);
    }

    // ---- floating point to packed integers -------------------------------------------------------------------------------------------------

    public static bool Cvtps2dq(Cpu cpu, Op* op) => ToIntegers32(cpu, op, (FloatRounding)((cpu.S->Mxcsr & Mxcsr.RC) >> Mxcsr.RoundingShift), Vector128<int>.Count);

    public static bool Cvttps2dq(Cpu cpu, Op* op) => ToIntegers32(cpu, op, FloatRounding.Zero, Vector128<int>.Count);

    /// <summary>CVTPS2PI.</summary>
    public static bool Cvtps2pi(Cpu cpu, Op* op) => ToIntegers32(cpu, op, (FloatRounding)((cpu.S->Mxcsr & Mxcsr.RC) >> Mxcsr.RoundingShift), 2);

    /// <summary>CVTTPS2PI.</summary>
    public static bool Cvttps2pi(Cpu cpu, Op* op) => ToIntegers32(cpu, op, FloatRounding.Zero, 2);

    /// <summary>CVTPD2DQ and CVTPD2PI: the upper half is cleared.</summary>
    public static bool Cvtpd2dq(Cpu cpu, Op* op) => ToIntegers64(cpu, op, (FloatRounding)((cpu.S->Mxcsr & Mxcsr.RC) >> Mxcsr.RoundingShift));

    /// <summary>CVTTPD2DQ and CVTTPD2PI: the upper half is cleared.</summary>
    public static bool Cvttpd2dq(Cpu cpu, Op* op) => ToIntegers64(cpu, op, FloatRounding.Zero);

    private static bool ToIntegers32(Cpu cpu, Op* op, FloatRounding rounding, int count)
    {
        Vector128<float> value = Second<float>(cpu, op);
        if (count == Vector128<int>.Count && FloatUnit.IgnoresInexact(cpu) && IsInRange(value))
        {
            if (rounding == FloatRounding.Zero) return Put(cpu, op, Sse2.ConvertToVector128Int32WithTruncation(value));
            if (rounding == FloatRounding.NearestEven) return Put(cpu, op, Sse2.ConvertToVector128Int32(value));
        }

        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        Vector128<int> result = default;
        for (int i = 0; i < count; i++) result = result.WithElement(i, (int)Binary32.ToInteger(value.AsUInt32().GetElement(i), 32, rounding, ref c));
        return FloatUnit.Commit(cpu, c) && Put(cpu, op, result);
    }

    private static bool IsInRange(Vector128<float> value)
        => Vector128.LessThanAll(Vector128.Abs(value), Vector128.Create((float)Above32));

    private static bool ToIntegers64(Cpu cpu, Op* op, FloatRounding rounding)
    {
        Vector128<ulong> value = Second<ulong>(cpu, op);
        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        int low = (int)Binary64.ToInteger(value.GetElement(0), 32, rounding, ref c), high = (int)Binary64.ToInteger(value.GetElement(1), 32, rounding, ref c);
        return FloatUnit.Commit(cpu, c) && Put(cpu, op, Vector128.Create(low, high, 0, 0));
    }
}
