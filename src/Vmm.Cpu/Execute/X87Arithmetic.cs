using Vmm.Cpu.Decode;
using Vmm.Cpu.Float;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Execute;

/// <summary>
/// x87 arithmetic and comparison (Intel SDM vol. 1 §8.3.5 to §8.3.7). B is the ST register, or the segment of the memory operand;
/// Size the memory operand's bytes; C says which operation or comparison; A counts the pops.
/// </summary>
internal static unsafe class X87Arithmetic
{
    // ---- the four operations ------------------------------------------------------------------------------------------------------

    public static bool Real(Cpu cpu, Op* op) => X87Transfer.TryReadReal(cpu, op, out Unpacked operand) && WithMemory(cpu, op, operand);

    public static bool Integer(Cpu cpu, Op* op) => X87Transfer.TryReadInteger(cpu, op, out long operand) && WithMemory(cpu, op, Unpacked.FromInt64(operand));

    private static bool WithMemory(Cpu cpu, Op* op, in Unpacked operand)
    {
        CpuState* s = cpu.S;
        if (X87Stack.IsEmpty(s, 0))
        {
            if (X87Stack.Underflow(s)) X87Stack.Put(s, 0, Extended.Indefinite);
        }
        else
        {
            FloatContext c = X87Stack.Context(s);
            Unpacked result = Operate((X87Operation)op->C, X87Stack.Load(s, 0), operand, X87Stack.ControlledFormat(s), ref c);
            if (X87Stack.Commit(s, c)) X87Stack.Put(s, 0, result);
        }

        return X87Control.End(cpu, op);
    }

    public static bool IntoSt0(Cpu cpu, Op* op)
    {
        Between(cpu.S, (X87Operation)op->C, 0, op->B, 0);
        return X87Control.End(cpu, op);
    }

    public static bool IntoSti(Cpu cpu, Op* op)
    {
        Between(cpu.S, (X87Operation)op->C, op->B, 0, op->A);
        return X87Control.End(cpu, op);
    }

    private static void Between(CpuState* s, X87Operation operation, int target, int source, int pops)
    {
        if (X87Stack.IsEmpty(s, target) || X87Stack.IsEmpty(s, source))
        {
            if (!X87Stack.Underflow(s)) return;
            X87Stack.Put(s, target, Extended.Indefinite);
        }
        else
        {
            FloatContext c = X87Stack.Context(s);
            Unpacked result = Operate(operation, X87Stack.Load(s, target), X87Stack.Load(s, source), X87Stack.ControlledFormat(s), ref c);
            if (!X87Stack.Commit(s, c)) return;
            X87Stack.Put(s, target, result);
        }

        X87Stack.Pop(s, pops);
    }

    private static Unpacked Operate(X87Operation operation, in Unpacked a, in Unpacked b, FloatFormat format, ref FloatContext c) => operation switch
    {
        X87Operation.Add => FloatMath.Add(a, b, format, ref c),
        X87Operation.Multiply => FloatMath.Multiply(a, b, format, ref c),
        X87Operation.Subtract => FloatMath.Subtract(a, b, format, ref c),
        X87Operation.SubtractReverse => FloatMath.Subtract(b, a, format, ref c),
        X87Operation.Divide => FloatMath.Divide(a, b, format, ref c),
        _ => FloatMath.Divide(b, a, format, ref c),
    };

    // ---- comparison -----------------------------------------------------------------------------------------------------------------

    public static bool CompareReal(Cpu cpu, Op* op) => X87Transfer.TryReadReal(cpu, op, out Unpacked operand) && CompareMemory(cpu, op, operand);

    public static bool CompareInteger(Cpu cpu, Op* op) => X87Transfer.TryReadInteger(cpu, op, out long operand) && CompareMemory(cpu, op, Unpacked.FromInt64(operand));

    private static bool CompareMemory(Cpu cpu, Op* op, in Unpacked operand)
    {
        Compare(cpu.S, X87Stack.IsEmpty(cpu.S, 0), operand, op->C != 0, op->A);
        return X87Control.End(cpu, op);
    }

    public static bool CompareRegister(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        Compare(s, X87Stack.IsEmpty(s, 0) || X87Stack.IsEmpty(s, op->B), X87Stack.Load(s, op->B), op->C != 0, op->A);
        return X87Control.End(cpu, op);
    }

    public static bool CompareSt1(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        Compare(s, X87Stack.IsEmpty(s, 0) || X87Stack.IsEmpty(s, 1), X87Stack.Load(s, 1), op->C != 0, op->A);
        return X87Control.End(cpu, op);
    }

    public static bool Test(Cpu cpu, Op* op)
    {
        Compare(cpu.S, X87Stack.IsEmpty(cpu.S, 0), Unpacked.ZeroOf(false), signalQuiet: true, pops: 0);
        return X87Control.End(cpu, op);
    }

    private static void Compare(CpuState* s, bool missing, in Unpacked operand, bool signalQuiet, int pops)
    {
        FloatOrder order = FloatOrder.Unordered;
        bool done;
        if (missing)
        {
            done = X87Stack.Underflow(s);
        }
        else
        {
            FloatContext c = X87Stack.Context(s);
            order = FloatMath.Compare(X87Stack.Load(s, 0), operand, signalQuiet, ref c);
            done = X87Stack.Commit(s, c);
        }

        X87Stack.SetConditions(s, order switch
        {
            FloatOrder.Less => FpuStatus.C0,
            FloatOrder.Equal => FpuStatus.C3,
            FloatOrder.Greater => FpuStatus.None,
            _ => FpuStatus.C0 | FpuStatus.C2 | FpuStatus.C3,
        });
        if (done) X87Stack.Pop(s, pops);
    }

    /// <summary>FCOMI, FUCOMI: the order goes to ZF, PF and CF; the other status flags are cleared.</summary>
    public static bool CompareFlags(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        FloatOrder order = FloatOrder.Unordered;
        bool done;
        if (X87Stack.IsEmpty(s, 0) || X87Stack.IsEmpty(s, op->B))
        {
            done = X87Stack.Underflow(s);
        }
        else
        {
            FloatContext c = X87Stack.Context(s);
            order = FloatMath.Compare(X87Stack.Load(s, 0), X87Stack.Load(s, op->B), op->C != 0, ref c);
            // C1 stays, unlike with the other comparisons.
            c.RoundedUp = (s->Fsw & (int)FpuStatus.C1) != 0;
            done = X87Stack.Commit(s, c);
        }

        Flags.SetStatus(s, order switch
        {
            FloatOrder.Less => Rflags.CF,
            FloatOrder.Equal => Rflags.ZF,
            FloatOrder.Greater => 0,
            _ => Rflags.ZF | Rflags.PF | Rflags.CF,
        });
        if (done) X87Stack.Pop(s, op->A);
        return X87Control.End(cpu, op);
    }

    /// <summary>FXAM (Intel SDM vol. 1 table 8-5).</summary>
    public static bool Examine(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        Unpacked value = X87Stack.Load(s, 0);
        FpuStatus kind;
        if (X87Stack.IsEmpty(s, 0)) kind = FpuStatus.C3 | FpuStatus.C0;
        else if (value.Denormal) kind = FpuStatus.C3 | FpuStatus.C2;
        else
        {
            kind = value.Class switch
            {
                FloatClass.Zero => FpuStatus.C3,
                FloatClass.Finite => FpuStatus.C2,
                FloatClass.Infinity => FpuStatus.C2 | FpuStatus.C0,
                FloatClass.Unsupported => FpuStatus.None,
                _ => FpuStatus.C0,
            };
        }

        X87Stack.SetConditions(s, value.Sign ? kind | FpuStatus.C1 : kind);
        return X87Control.End(cpu, op);
    }

    // ---- one operand ----------------------------------------------------------------------------------------------------------------

    public static bool ChangeSign(Cpu cpu, Op* op)
    {
        if (HasOperand(cpu.S))
        {
            Extended value = X87Stack.Get(cpu.S, 0);
            X87Stack.Put(cpu.S, 0, new Extended(value.Significand, (ushort)(value.SignExponent ^ Extended.SignBit)));
        }

        return X87Control.End(cpu, op);
    }

    public static bool Absolute(Cpu cpu, Op* op)
    {
        if (HasOperand(cpu.S))
        {
            Extended value = X87Stack.Get(cpu.S, 0);
            X87Stack.Put(cpu.S, 0, new Extended(value.Significand, (ushort)(value.SignExponent & Extended.ExponentMask)));
        }

        return X87Control.End(cpu, op);
    }

    /// <summary>True when ST(0) is there, C1 cleared; else the underflow is dealt with.</summary>
    public static bool HasOperand(CpuState* s)
    {
        if (!X87Stack.IsEmpty(s, 0))
        {
            X87Stack.ClearC1(s);
            return true;
        }

        if (X87Stack.Underflow(s)) X87Stack.Put(s, 0, Extended.Indefinite);
        return false;
    }

    public static bool SquareRoot(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (HasOperand(s))
        {
            FloatContext c = X87Stack.Context(s);
            Replace(s, FloatMath.SquareRoot(X87Stack.Load(s, 0), X87Stack.ControlledFormat(s), ref c), c);
        }

        return X87Control.End(cpu, op);
    }

    public static bool RoundToInteger(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (HasOperand(s))
        {
            FloatContext c = X87Stack.Context(s);
            Unpacked value = X87Stack.Load(s, 0);
            if (value.IsNan || FloatMath.Accept(value, ref c)) value = FloatMath.RoundToIntegral(value, c.Rounding, reportInexact: true, ref c);
            Replace(s, value, c);
        }

        return X87Control.End(cpu, op);
    }

    private static void Replace(CpuState* s, in Unpacked result, in FloatContext c)
    {
        if (X87Stack.Commit(s, c)) X87Stack.Put(s, 0, result);
    }

    // ---- two operands on the stack, without precision control -----------------------------------------------------------------------

    /// <summary>True when ST(0) and ST(1) are there, C1 cleared; else the underflow is dealt with.</summary>
    public static bool HasTwoOperands(CpuState* s)
    {
        if (!X87Stack.IsEmpty(s, 0) && !X87Stack.IsEmpty(s, 1))
        {
            X87Stack.ClearC1(s);
            return true;
        }

        if (X87Stack.Underflow(s)) X87Stack.Put(s, 0, Extended.Indefinite);
        return false;
    }

    public static bool Scale(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (HasTwoOperands(s))
        {
            FloatContext c = X87Stack.Context(s);
            Replace(s, Scaled(X87Stack.Load(s, 0), X87Stack.Load(s, 1), ref c), c);
        }

        return X87Control.End(cpu, op);
    }

    private static Unpacked Scaled(in Unpacked a, in Unpacked power, ref FloatContext c)
    {
        // More than any result can use; enough to overflow or underflow the smallest and largest operand even after wrapping.
        const int Limit = 0x10000;
        if (a.IsNan || power.IsNan) return FloatMath.PropagateNan(a, power, ref c);
        if (power.IsInfinity && (power.Sign ? a.IsInfinity : a.IsZero)) return FloatMath.Invalid(ref c);
        if (!FloatMath.Accept(a, ref c) || !FloatMath.Accept(power, ref c)) return a;
        if (power.IsInfinity) return power.Sign ? Unpacked.ZeroOf(a.Sign) : Unpacked.InfinityOf(a.Sign);
        if (a.Class != FloatClass.Finite) return a;
        int by = 0;
        if (!power.IsZero && power.Exponent >= 0)
        {
            by = power.Exponent >= 16 ? Limit : (int)(power.Significand >> (63 - power.Exponent));
            if (power.Sign) by = -by;
        }

        Unpacked result = FloatMath.Round(a.Sign, a.Exponent + by, a.Significand, 0, FloatFormat.Extended, ref c);
        // Even a wrapped exponent can be out of range.
        if (result.Class != FloatClass.Finite || (result.Exponent <= FloatFormat.Extended.MaxExponent && result.Exponent >= FloatFormat.Extended.MinExponent - 63)) return result;
        c.Flags |= FloatFlags.PE;
        c.RoundedUp = result.Exponent > 0;
        return result.Exponent > 0 ? Unpacked.InfinityOf(a.Sign) : Unpacked.ZeroOf(a.Sign);
    }

    /// <summary>FXTRACT: ST(0) becomes the exponent, the significand is pushed.</summary>
    public static bool Extract(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (X87Stack.IsEmpty(s, 0))
        {
            if (X87Stack.Underflow(s))
            {
                X87Stack.Put(s, 0, Extended.Indefinite);
                X87Stack.Push(s, Extended.Indefinite);
            }
        }
        else if (!X87Stack.IsEmpty(s, -1))
        {
            if (X87Stack.Overflow(s))
            {
                X87Stack.Put(s, 0, Extended.Indefinite);
                X87Stack.Push(s, Extended.Indefinite);
            }
        }
        else
        {
            FloatContext c = X87Stack.Context(s);
            Unpacked value = X87Stack.Load(s, 0), exponent, significand = value;
            if (value.IsNan)
            {
                exponent = significand = FloatMath.PropagateNan(value, ref c);
            }
            else if (value.IsInfinity)
            {
                exponent = Unpacked.InfinityOf(false);
            }
            else if (value.IsZero)
            {
                c.Flags |= FloatFlags.ZE;
                exponent = Unpacked.InfinityOf(true);
            }
            else
            {
                FloatMath.Accept(value, ref c);
                exponent = Unpacked.FromInt64(value.Exponent);
                significand = Unpacked.FiniteOf(value.Sign, 0, value.Significand);
            }

            if (X87Stack.Commit(s, c))
            {
                X87Stack.Put(s, 0, exponent);
                X87Stack.Push(s, significand.To80());
            }
        }

        return X87Control.End(cpu, op);
    }

    /// <summary>FPREM and, with C set, FPREM1. Exponent differences of 64 and more are reduced partially, by 2^(D-N) with N from 32 to 63.</summary>
    public static bool Remainder(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        s->Fsw = (ushort)(s->Fsw & ~(int)FpuStatus.C2);
        if (HasTwoOperands(s))
        {
            FloatContext c = X87Stack.Context(s);
            // What is not reduced leaves C0 and C3 as they were.
            FpuStatus conditions = (FpuStatus)s->Fsw & (FpuStatus.C0 | FpuStatus.C3);
            Unpacked result = Reduced(X87Stack.Load(s, 0), X87Stack.Load(s, 1), nearest: op->C != 0, ref c, ref conditions);
            bool done = X87Stack.Commit(s, c);
            X87Stack.SetConditions(s, conditions);
            if (done) X87Stack.Put(s, 0, result);
        }

        return X87Control.End(cpu, op);
    }

    private static Unpacked Reduced(in Unpacked a, in Unpacked b, bool nearest, ref FloatContext c, ref FpuStatus conditions)
    {
        if (a.IsNan || b.IsNan) return FloatMath.PropagateNan(a, b, ref c);
        if (a.IsInfinity || b.IsZero) return FloatMath.Invalid(ref c);
        if (!FloatMath.Accept(a, ref c) || !FloatMath.Accept(b, ref c)) return a;
        conditions = FpuStatus.None;
        if (a.IsZero) return a;
        // The dividend stays, but a denormal one is still a tiny result.
        if (b.IsInfinity) return FloatMath.Round(a.Sign, a.Exponent, a.Significand, 0, FloatFormat.Extended, ref c);
        int difference = a.Exponent - b.Exponent;
        bool partial = difference >= 64;
        int reduce = partial ? (difference & 31) | 32 : difference;
        ulong quotient = 0, rest = a.Significand;
        int exponent = a.Exponent;
        if (reduce >= 0)
        {
            quotient = WideInteger.Divide(reduce == 0 ? 0 : a.Significand >> (64 - reduce), a.Significand << reduce, b.Significand, out rest);
            exponent = partial ? b.Exponent + difference - reduce : b.Exponent;
        }

        bool sign = a.Sign;
        if (partial)
        {
            conditions = FpuStatus.C2;
        }
        else
        {
            if (nearest && difference >= -1 && RoundsUp(rest, difference < 0, b.Significand, quotient))
            {
                // difference -1: the rest is half of what it seems, so b is doubled to compare and subtract.
                UInt128 divisor = (UInt128)b.Significand << (difference < 0 ? 1 : 0);
                rest = (ulong)(divisor - rest);
                quotient++;
                sign = !sign;
            }

            if ((quotient & 1) != 0) conditions |= FpuStatus.C1;
            if ((quotient & 2) != 0) conditions |= FpuStatus.C3;
            if ((quotient & 4) != 0) conditions |= FpuStatus.C0;
        }

        if (rest == 0) return Unpacked.ZeroOf(a.Sign);
        ulong none = 0;
        exponent -= WideInteger.Normalize(ref rest, ref none);
        Unpacked result = FloatMath.Round(sign, exponent, rest, 0, FloatFormat.Extended, ref c);
        c.RoundedUp = false;
        return result;
    }

    /// <summary>Whether rest / divisor (halved when <paramref name="half"/>) is above one half, or exactly that beside an odd quotient.</summary>
    private static bool RoundsUp(ulong rest, bool half, ulong divisor, ulong quotient)
    {
        UInt128 twice = (UInt128)rest << (half ? 0 : 1);
        return twice > divisor || (twice == divisor && (quotient & 1) != 0);
    }
}
