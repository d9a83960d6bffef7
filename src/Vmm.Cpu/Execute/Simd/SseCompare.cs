using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Vmm.Cpu.Decode;
using Vmm.Cpu.Float;
using Vmm.Cpu.State;
using static Vmm.Cpu.Execute.Simd.SimdOperands;

namespace Vmm.Cpu.Execute.Simd;

/// <summary>Floating-point comparisons.</summary>
internal static unsafe class SseCompare
{
    // ---- into RFLAGS -------------------------------------------------------------------------------------------------------------------

    public static bool Ucomiss(Cpu cpu, Op* op) => CompareFlags32(cpu, op, false);

    public static bool Comiss(Cpu cpu, Op* op) => CompareFlags32(cpu, op, true);

    public static bool Ucomisd(Cpu cpu, Op* op) => CompareFlags64(cpu, op, false);

    public static bool Comisd(Cpu cpu, Op* op) => CompareFlags64(cpu, op, true);

    private static bool CompareFlags32(Cpu cpu, Op* op, bool signalQuiet)
    {
        float a = First<float>(cpu, op).ToScalar(), b = Second<float>(cpu, op).ToScalar();
        if (FloatUnit.IsPlain(a) && FloatUnit.IsPlain(b)) return SetFlags(cpu, a == b ? FloatOrder.Equal : a < b ? FloatOrder.Less : FloatOrder.Greater);
        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        FloatOrder order = Binary32.Compare(BitConverter.SingleToUInt32Bits(a), BitConverter.SingleToUInt32Bits(b), signalQuiet, ref c);
        return FloatUnit.Commit(cpu, c) && SetFlags(cpu, order);
    }

    private static bool CompareFlags64(Cpu cpu, Op* op, bool signalQuiet)
    {
        double a = First<double>(cpu, op).ToScalar(), b = Second<double>(cpu, op).ToScalar();
        if (FloatUnit.IsPlain(a) && FloatUnit.IsPlain(b)) return SetFlags(cpu, a == b ? FloatOrder.Equal : a < b ? FloatOrder.Less : FloatOrder.Greater);
        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        FloatOrder order = Binary64.Compare(BitConverter.DoubleToUInt64Bits(a), BitConverter.DoubleToUInt64Bits(b), signalQuiet, ref c);
        return FloatUnit.Commit(cpu, c) && SetFlags(cpu, order);
    }

    private static bool SetFlags(Cpu cpu, FloatOrder order)
    {
        Flags.SetStatus(cpu.S, order switch
        {
            FloatOrder.Less => Rflags.CF,
            FloatOrder.Equal => Rflags.ZF,
            FloatOrder.Greater => 0,
            _ => Rflags.CF | Rflags.ZF | Rflags.PF,
        });
        return true;
    }

    // ---- into masks; Imm bits 1:0 equal, less, less or equal, unordered; bit 2 the opposite -----------------------------------------------

    public static bool Cmpps(Cpu cpu, Op* op)
    {
        Vector128<float> a = First<float>(cpu, op), b = Second<float>(cpu, op);
        if (FloatUnit.ArePlain(a) && FloatUnit.ArePlain(b))
        {
            Vector128<float> r = Relation(op) switch
            {
                Equal => Vector128.Equals(a, b),
                Less => Vector128.LessThan(a, b),
                LessOrEqual => Vector128.LessThanOrEqual(a, b),
                _ => default,
            };
            return Put(cpu, op, IsOpposite(op) ? ~r : r);
        }

        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        Vector128<uint> result = default;
        for (int i = 0; i < Vector128<uint>.Count; i++)
        {
            FloatOrder order = Binary32.Compare(a.AsUInt32().GetElement(i), b.AsUInt32().GetElement(i), SignalsQuiet(op), ref c);
            if (Holds(op, order)) result = result.WithElement(i, uint.MaxValue);
        }

        return FloatUnit.Commit(cpu, c) && Put(cpu, op, result);
    }

    public static bool Cmppd(Cpu cpu, Op* op)
    {
        Vector128<double> a = First<double>(cpu, op), b = Second<double>(cpu, op);
        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        bool low = Holds(op, Compare64(a.GetElement(0), b.GetElement(0), op, ref c));
        bool high = Holds(op, Compare64(a.GetElement(1), b.GetElement(1), op, ref c));
        return FloatUnit.Commit(cpu, c) && Put(cpu, op, Vector128.Create(low ? ulong.MaxValue : 0, high ? ulong.MaxValue : 0));
    }

    public static bool Cmpss(Cpu cpu, Op* op)
    {
        float a = First<float>(cpu, op).ToScalar(), b = Second<float>(cpu, op).ToScalar();
        if (FloatUnit.IsPlain(a) && FloatUnit.IsPlain(b))
        {
            FloatOrder plain = a == b ? FloatOrder.Equal : a < b ? FloatOrder.Less : FloatOrder.Greater;
            return SseFloat.PutLow(cpu, op, Holds(op, plain) ? uint.MaxValue : 0);
        }

        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        FloatOrder order = Binary32.Compare(BitConverter.SingleToUInt32Bits(a), BitConverter.SingleToUInt32Bits(b), SignalsQuiet(op), ref c);
        return FloatUnit.Commit(cpu, c) && SseFloat.PutLow(cpu, op, Holds(op, order) ? uint.MaxValue : 0);
    }

    public static bool Cmpsd(Cpu cpu, Op* op)
    {
        double a = First<double>(cpu, op).ToScalar(), b = Second<double>(cpu, op).ToScalar();
        FloatContext c = FloatContext.ForSse(cpu.S->Mxcsr);
        bool holds = Holds(op, Compare64(a, b, op, ref c));
        return FloatUnit.Commit(cpu, c) && SseFloat.PutLow(cpu, op, holds ? ulong.MaxValue : 0);
    }

    private static FloatOrder Compare64(double a, double b, Op* op, ref FloatContext c)
    {
        if (FloatUnit.IsPlain(a) && FloatUnit.IsPlain(b)) return a == b ? FloatOrder.Equal : a < b ? FloatOrder.Less : FloatOrder.Greater;
        return Binary64.Compare(BitConverter.DoubleToUInt64Bits(a), BitConverter.DoubleToUInt64Bits(b), SignalsQuiet(op), ref c);
    }

    private const int Equal = 0, Less = 1, LessOrEqual = 2, RelationMask = 3, Opposite = 4;

    private static int Relation(Op* op) => (int)op->Imm & RelationMask;

    private static bool IsOpposite(Op* op) => (op->Imm & Opposite) != 0;

    /// <summary>The ordering relations take a quiet NaN for an invalid operand.</summary>
    private static bool SignalsQuiet(Op* op) => Relation(op) is Less or LessOrEqual;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Holds(Op* op, FloatOrder order) => IsOpposite(op) != Relation(op) switch
    {
        Equal => order == FloatOrder.Equal,
        Less => order == FloatOrder.Less,
        LessOrEqual => order is FloatOrder.Less or FloatOrder.Equal,
        _ => order == FloatOrder.Unordered,
    };
}
