using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Vmm.Cpu.Decode;
using Vmm.Cpu.State;
using static Vmm.Cpu.Execute.Simd.SimdOperands;

namespace Vmm.Cpu.Execute.Simd;

/// <summary>The four SSE4.2 string comparisons (Intel SDM vol. 2 §4.1). Sets of elements are bit masks, element 0 in bit 0.</summary>
internal static unsafe class SseStrings
{
    private const int Words = 1, Signed = 2, AggregationShift = 2, AggregationMask = 3, Negate = 0x10, OnlyValid = 0x20, Top = 0x40;
    private const int EqualAny = 0, Ranges = 1, EqualEach = 2;

    public static bool Pcmpistri(Cpu cpu, Op* op)
        => Index(cpu, op, ImplicitLength(First<byte>(cpu, op), op), ImplicitLength(Second<byte>(cpu, op), op));

    public static bool Pcmpistrm(Cpu cpu, Op* op)
        => Mask(cpu, op, ImplicitLength(First<byte>(cpu, op), op), ImplicitLength(Second<byte>(cpu, op), op));

    public static bool Pcmpestri(Cpu cpu, Op* op) => Index(cpu, op, ExplicitLength((int)cpu.S->R[Reg.Rax], op), ExplicitLength((int)cpu.S->R[Reg.Rdx], op));

    public static bool Pcmpestrm(Cpu cpu, Op* op) => Mask(cpu, op, ExplicitLength((int)cpu.S->R[Reg.Rax], op), ExplicitLength((int)cpu.S->R[Reg.Rdx], op));

    public static bool Pcmpestri64(Cpu cpu, Op* op) => Index(cpu, op, ExplicitLength((long)cpu.S->R[Reg.Rax], op), ExplicitLength((long)cpu.S->R[Reg.Rdx], op));

    public static bool Pcmpestrm64(Cpu cpu, Op* op) => Mask(cpu, op, ExplicitLength((long)cpu.S->R[Reg.Rax], op), ExplicitLength((long)cpu.S->R[Reg.Rdx], op));

    private static int ElementCount(Op* op) => (op->Imm & Words) != 0 ? Vector128<ushort>.Count : Vector128<byte>.Count;

    private static int ImplicitLength(Vector128<byte> text, Op* op)
    {
        uint ends = (op->Imm & Words) != 0
            ? Vector128.Equals(text.AsUInt16(), default).ExtractMostSignificantBits()
            : Vector128.Equals(text, default).ExtractMostSignificantBits();
        return Math.Min(BitOperations.TrailingZeroCount(ends), ElementCount(op));
    }

    private static int ExplicitLength(long length, Op* op)
    {
        int count = ElementCount(op);
        return length >= count || length <= -count ? count : (int)Math.Abs(length);
    }

    private static bool Index(Cpu cpu, Op* op, int firstLength, int secondLength)
    {
        uint found = Compare(cpu, op, firstLength, secondLength);
        int index = found == 0 ? ElementCount(op) : (op->Imm & Top) != 0 ? BitOperations.Log2(found) : BitOperations.TrailingZeroCount(found);
        cpu.S->R[Reg.Rcx] = (uint)index;
        return true;
    }

    private static bool Mask(Cpu cpu, Op* op, int firstLength, int secondLength)
    {
        uint found = Compare(cpu, op, firstLength, secondLength);
        ref Vector128<byte> target = ref CpuState.Xmm(cpu.S)[0];
        if ((op->Imm & Top) == 0)
        {
            target = Vector128.CreateScalar(found).AsByte();
            return true;
        }

        bool words = (op->Imm & Words) != 0;
        for (int i = 0; i < Vector128<byte>.Count; i++) target = target.WithElement(i, (found >> (words ? i >> 1 : i) & 1) != 0 ? byte.MaxValue : (byte)0);
        return true;
    }

    /// <summary>The comparison itself, with its flags.</summary>
    private static uint Compare(Cpu cpu, Op* op, int firstLength, int secondLength)
    {
        Vector128<byte> a = First<byte>(cpu, op), b = Second<byte>(cpu, op);
        int control = (int)op->Imm, count = ElementCount(op);
        uint found = (control & Words) == 0
            ? (control & Signed) == 0 ? Aggregate(a, b, control, firstLength, secondLength) : Aggregate(a.AsSByte(), b.AsSByte(), control, firstLength, secondLength)
            : (control & Signed) == 0 ? Aggregate(a.AsUInt16(), b.AsUInt16(), control, firstLength, secondLength) : Aggregate(a.AsInt16(), b.AsInt16(), control, firstLength, secondLength);
        if ((control & Negate) != 0) found ^= Set((control & OnlyValid) != 0 ? secondLength : count);
        uint flags = 0;
        if (found != 0) flags |= Rflags.CF;
        if (secondLength < count) flags |= Rflags.ZF;
        if (firstLength < count) flags |= Rflags.SF;
        if ((found & 1) != 0) flags |= Rflags.OF;
        Flags.SetStatus(cpu.S, flags);
        return found;
    }

    private static uint Aggregate<T>(Vector128<T> a, Vector128<T> b, int control, int firstLength, int secondLength)
    {
        int count = Vector128<T>.Count;
        uint all = Set(count), firstValid = Set(firstLength), secondValid = Set(secondLength), found = 0;
        switch (control >> AggregationShift & AggregationMask)
        {
            case EqualAny:
                for (int i = 0; i < firstLength; i++) found |= Equal(Vector128.Create(a.GetElement(i)), b);
                return found & secondValid;

            case Ranges:
                for (int i = 0; i + 1 < firstLength; i += 2)
                {
                    found |= (Vector128.GreaterThanOrEqual(b, Vector128.Create(a.GetElement(i))) & Vector128.LessThanOrEqual(b, Vector128.Create(a.GetElement(i + 1))))
                        .ExtractMostSignificantBits();
                }

                return found & secondValid;

            case EqualEach:
                // Two ends are equal, an end and an element are not.
                return (Equal(a, b) & firstValid & secondValid) | (all & ~firstValid & ~secondValid);

            default:
                // Equal ordered: element i of the first must stand i places behind; places beyond the register do not count against it.
                found = all;
                for (int i = 0; i < firstLength; i++) found &= ((Equal(Vector128.Create(a.GetElement(i)), b) & secondValid) >> i) | (all & ~(all >> i));
                return found;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Equal<T>(Vector128<T> a, Vector128<T> b) => Vector128.Equals(a, b).ExtractMostSignificantBits();

    /// <summary>The first elements.</summary>
    private static uint Set(int count) => (1u << count) - 1;
}
