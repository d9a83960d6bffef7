using Vmm.Cpu.Decode;
using Vmm.Cpu.Float;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Execute;

/// <summary>Transcendental x87 instructions: special operands here (tables in the instruction reference, Intel SDM vol. 2), values in <see cref="Transcendental"/>.</summary>
internal static unsafe class X87Functions
{
    /// <summary>FSIN and its like leave larger arguments alone and set C2.</summary>
    private const int MaxAngleExponent = 62;

    // ---- one operand --------------------------------------------------------------------------------------------------------------

    /// <summary>F2XM1.</summary>
    public static bool PowerMinusOne(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (X87Arithmetic.HasOperand(s))
        {
            FloatContext c = X87Stack.Context(s);
            Unpacked result = PowerMinusOne(X87Stack.Load(s, 0), ref c);
            if (X87Stack.Commit(s, c)) X87Stack.Put(s, 0, result);
        }

        return X87Control.End(cpu, op);
    }

    private static Unpacked PowerMinusOne(in Unpacked x, ref FloatContext c)
    {
        if (x.IsNan) return FloatMath.PropagateNan(x, ref c);
        if (!FloatMath.Accept(x, ref c) || x.IsZero) return x;
        if (x.IsInfinity) return x.Sign ? Unpacked.FromInt64(-1) : x;
        if (x.Exponent < 0) return Transcendental.PowerMinusOne(x).Round(exact: false, ref c);
        // The ends of the range are exact; beyond it the result is undefined, and the operand stays.
        if (x.Exponent == 0 && x.Significand == Extended.IntegerBit && x.Sign) return Unpacked.FiniteOf(true, -1, Extended.IntegerBit);
        return x;
    }

    public static bool Sine(Cpu cpu, Op* op) => Trigonometric(cpu, op, wantsSine: true);

    public static bool Cosine(Cpu cpu, Op* op) => Trigonometric(cpu, op, wantsSine: false);

    private static bool Trigonometric(Cpu cpu, Op* op, bool wantsSine)
    {
        CpuState* s = cpu.S;
        ClearC2(s);
        if (X87Arithmetic.HasOperand(s))
        {
            Unpacked x = X87Stack.Load(s, 0);
            if (IsOutOfRange(s, x)) return X87Control.End(cpu, op);
            FloatContext c = X87Stack.Context(s);
            Unpacked result;
            if (x.IsNan || x.IsInfinity) result = Undefined(x, ref c);
            else if (!FloatMath.Accept(x, ref c)) result = x;
            else if (x.IsZero) result = wantsSine ? x : Unpacked.FromInt64(1);
            else
            {
                Transcendental.SineCosine(x, out WideFloat sine, out WideFloat cosine);
                result = (wantsSine ? sine : cosine).Round(exact: false, ref c);
            }

            if (X87Stack.Commit(s, c)) X87Stack.Put(s, 0, result);
        }

        return X87Control.End(cpu, op);
    }

    /// <summary>Sets C2 when the argument is too large, clears it otherwise.</summary>
    private static bool IsOutOfRange(CpuState* s, in Unpacked x)
    {
        bool outOfRange = x.Class == FloatClass.Finite && x.Exponent > MaxAngleExponent;
        int status = s->Fsw & ~(int)(FpuStatus.C1 | FpuStatus.C2);
        if (outOfRange) status |= (int)FpuStatus.C2;
        s->Fsw = (ushort)status;
        return outOfRange;
    }

    private static Unpacked Undefined(in Unpacked x, ref FloatContext c) => x.IsNan ? FloatMath.PropagateNan(x, ref c) : FloatMath.Invalid(ref c);

    /// <summary>FSINCOS: ST(0) becomes the sine, the cosine is pushed.</summary>
    public static bool SineCosine(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (!HasOperandAndRoom(s)) return X87Control.End(cpu, op);
        Unpacked x = X87Stack.Load(s, 0);
        if (IsOutOfRange(s, x)) return X87Control.End(cpu, op);
        FloatContext c = X87Stack.Context(s);
        Unpacked sine = x, cosine = x;
        if (x.IsNan || x.IsInfinity)
        {
            sine = cosine = Undefined(x, ref c);
        }
        else if (FloatMath.Accept(x, ref c))
        {
            if (x.IsZero)
            {
                cosine = Unpacked.FromInt64(1);
            }
            else
            {
                Transcendental.SineCosine(x, out WideFloat wideSine, out WideFloat wideCosine);
                sine = wideSine.Round(exact: false, ref c);
                cosine = wideCosine.Round(exact: false, ref c);
            }
        }

        if (X87Stack.Commit(s, c))
        {
            X87Stack.Put(s, 0, sine);
            X87Stack.Push(s, cosine.To80());
        }

        return X87Control.End(cpu, op);
    }

    /// <summary>FPTAN: ST(0) becomes the tangent, 1 is pushed (the operand's NaN when it is one).</summary>
    public static bool Tangent(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (!HasOperandAndRoom(s)) return X87Control.End(cpu, op);
        Unpacked x = X87Stack.Load(s, 0);
        if (IsOutOfRange(s, x)) return X87Control.End(cpu, op);
        FloatContext c = X87Stack.Context(s);
        Unpacked tangent = x, second = Unpacked.FromInt64(1);
        if (x.IsNan || x.IsInfinity)
        {
            tangent = second = Undefined(x, ref c);
        }
        else if (FloatMath.Accept(x, ref c) && !x.IsZero)
        {
            Transcendental.SineCosine(x, out WideFloat sine, out WideFloat cosine);
            tangent = (sine / cosine).Round(exact: false, ref c);
        }

        if (X87Stack.Commit(s, c))
        {
            X87Stack.Put(s, 0, tangent);
            X87Stack.Push(s, second.To80());
        }

        return X87Control.End(cpu, op);
    }

    private static void ClearC2(CpuState* s) => s->Fsw = (ushort)(s->Fsw & ~(int)FpuStatus.C2);

    private static bool HasOperandAndRoom(CpuState* s)
    {
        ClearC2(s);
        bool underflow = X87Stack.IsEmpty(s, 0);
        if (!underflow && X87Stack.IsEmpty(s, -1)) return true;
        if (underflow ? X87Stack.Underflow(s) : X87Stack.Overflow(s))
        {
            X87Stack.Put(s, 0, Extended.Indefinite);
            X87Stack.Push(s, Extended.Indefinite);
        }

        return false;
    }

    // ---- ST(1) and ST(0), the result in ST(1), then a pop -----------------------------------------------------------------------------

    private delegate Unpacked Combination(in Unpacked y, in Unpacked x, ref FloatContext c);

    private static readonly Combination LogarithmOf = Logarithm, LogarithmPlusOneOf = LogarithmPlusOne, ArctangentOf = Arctangent;

    public static bool Logarithm(Cpu cpu, Op* op) => Combine(cpu, op, LogarithmOf);

    public static bool LogarithmPlusOne(Cpu cpu, Op* op) => Combine(cpu, op, LogarithmPlusOneOf);

    public static bool Arctangent(Cpu cpu, Op* op) => Combine(cpu, op, ArctangentOf);

    private static bool Combine(Cpu cpu, Op* op, Combination combination)
    {
        CpuState* s = cpu.S;
        if (X87Stack.IsEmpty(s, 0) || X87Stack.IsEmpty(s, 1))
        {
            if (X87Stack.Underflow(s))
            {
                X87Stack.Put(s, 1, Extended.Indefinite);
                X87Stack.Pop(s);
            }

            return X87Control.End(cpu, op);
        }

        FloatContext c = X87Stack.Context(s);
        Unpacked result = combination(X87Stack.Load(s, 1), X87Stack.Load(s, 0), ref c);
        if (X87Stack.Commit(s, c))
        {
            X87Stack.Put(s, 1, result);
            X87Stack.Pop(s);
        }

        return X87Control.End(cpu, op);
    }

    /// <summary>y × log2 x.</summary>
    private static Unpacked Logarithm(in Unpacked y, in Unpacked x, ref FloatContext c)
    {
        if (y.IsNan || x.IsNan) return FloatMath.PropagateNan(y, x, ref c);
        bool one = IsOne(x);
        if (x.Sign && !x.IsZero) return FloatMath.Invalid(ref c);
        if ((x.IsZero && y.IsZero) || (x.IsInfinity && y.IsZero) || (one && y.IsInfinity)) return FloatMath.Invalid(ref c);
        if (x.IsZero && y.Class == FloatClass.Finite)
        {
            c.Flags |= FloatFlags.ZE;
            return Unpacked.InfinityOf(!y.Sign);
        }

        if (!FloatMath.Accept(y, ref c) || !FloatMath.Accept(x, ref c)) return y;
        bool negative = y.Sign ^ (x.IsZero || (x.Class == FloatClass.Finite && x.Exponent < 0));
        if (y.IsInfinity || x.IsInfinity || x.IsZero) return Unpacked.InfinityOf(negative);
        if (y.IsZero || one) return Unpacked.ZeroOf(negative);
        // Powers of two have whole logarithms, and the product is as exact as one of two registers.
        bool exact = x.Significand == Extended.IntegerBit;
        return (WideFloat.From(y) * Transcendental.Log2(WideFloat.From(x))).Round(exact, ref c);
    }

    private static bool IsOne(in Unpacked x) => x.Class == FloatClass.Finite && x.Exponent == 0 && x.Significand == Extended.IntegerBit;

    /// <summary>y × log2(x + 1).</summary>
    private static Unpacked LogarithmPlusOne(in Unpacked y, in Unpacked x, ref FloatContext c)
    {
        if (y.IsNan || x.IsNan) return FloatMath.PropagateNan(y, x, ref c);
        bool belowRange = x.Sign && (x.IsInfinity || (x.Class == FloatClass.Finite && x.Exponent >= 0));
        if (belowRange || (x.IsZero && y.IsInfinity) || (x.IsInfinity && y.IsZero)) return FloatMath.Invalid(ref c);
        if (!FloatMath.Accept(y, ref c) || !FloatMath.Accept(x, ref c)) return y;
        bool negative = y.Sign ^ x.Sign;
        if (y.IsInfinity || x.IsInfinity) return Unpacked.InfinityOf(negative);
        if (y.IsZero || x.IsZero) return Unpacked.ZeroOf(negative);
        return (WideFloat.From(y) * Transcendental.Log2PlusOne(x)).Round(exact: false, ref c);
    }

    /// <summary>The angle of the point (x, y).</summary>
    private static Unpacked Arctangent(in Unpacked y, in Unpacked x, ref FloatContext c)
    {
        if (y.IsNan || x.IsNan) return FloatMath.PropagateNan(y, x, ref c);
        if (!FloatMath.Accept(y, ref c) || !FloatMath.Accept(x, ref c)) return y;
        if (y.IsInfinity) return Turn(x.IsInfinity ? (x.Sign ? 3 : 1) : 2, y.Sign, ref c);
        if (y.IsZero || x.IsInfinity) return x.Sign ? Turn(4, y.Sign, ref c) : Unpacked.ZeroOf(y.Sign);
        if (x.IsZero) return Turn(2, y.Sign, ref c);
        return Transcendental.Arctangent(y, x).Round(exact: false, ref c);
    }

    /// <summary>Some eighths of a full turn.</summary>
    private static Unpacked Turn(int eighths, bool sign, ref FloatContext c)
    {
        WideFloat angle = WideFloat.Pi * WideFloat.FromInteger((ulong)eighths, -2, sign);
        return angle.Round(exact: false, ref c);
    }
}
