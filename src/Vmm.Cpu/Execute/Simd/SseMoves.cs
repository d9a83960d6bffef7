using System.Numerics;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Vmm.Cpu.Decode;
using Vmm.Cpu.State;
using static Vmm.Cpu.Execute.Simd.SimdOperands;

namespace Vmm.Cpu.Execute.Simd;

/// <summary>Moves, shuffles, unpacking, inserts and extracts; and MXCSR.</summary>
internal static unsafe class SseMoves
{
    private static readonly Vector128<byte> Iota = Vector128<byte>.Indices;

    // ---- between registers ---------------------------------------------------------------------------------------------------------

    /// <summary>MOVQ: low half, the rest cleared.</summary>
    public static bool Movq(Cpu cpu, Op* op) => Put(cpu, op, Sse2.MoveScalar(Second<ulong>(cpu, op)));

    /// <summary>MOVSS: lowest 4 bytes, the rest stays.</summary>
    public static bool Movss(Cpu cpu, Op* op) => Put(cpu, op, Sse.MoveScalar(First<float>(cpu, op), Second<float>(cpu, op)));

    /// <summary>MOVSD, MOVLPS, MOVLPD: low half, the rest stays.</summary>
    public static bool MoveLow(Cpu cpu, Op* op) => Put(cpu, op, Sse2.MoveScalar(First<double>(cpu, op), Second<double>(cpu, op)));

    /// <summary>MOVHPS, MOVHPD, MOVLHPS, PUNPCKLQDQ, UNPCKLPD: the source's low half becomes the high one.</summary>
    public static bool MoveHigh(Cpu cpu, Op* op) => Put(cpu, op, Sse2.UnpackLow(First<ulong>(cpu, op), Second<ulong>(cpu, op)));

    /// <summary>MOVHLPS: the source's high half becomes the low one.</summary>
    public static bool Movhlps(Cpu cpu, Op* op) => Put(cpu, op, Sse.MoveHighToLow(First<float>(cpu, op), Second<float>(cpu, op)));

    /// <summary>The source's high half alone, for a store of it.</summary>
    public static bool HighToLow(Cpu cpu, Op* op) => Put(cpu, op, Sse2.UnpackHigh(Second<ulong>(cpu, op), Second<ulong>(cpu, op)));

    public static bool Movddup(Cpu cpu, Op* op) => Put(cpu, op, Sse2.UnpackLow(Second<ulong>(cpu, op), Second<ulong>(cpu, op)));

    public static bool Movsldup(Cpu cpu, Op* op) => Put(cpu, op, Sse2.Shuffle(Second<uint>(cpu, op), 0b10_10_00_00));

    public static bool Movshdup(Cpu cpu, Op* op) => Put(cpu, op, Sse2.Shuffle(Second<uint>(cpu, op), 0b11_11_01_01));

    // ---- to and from general registers -----------------------------------------------------------------------------------------------

    public static bool MovdFrom(Cpu cpu, Op* op) => Put(cpu, op, Vector128.CreateScalar((uint)cpu.S->R[op->B]));

    public static bool MovqFrom(Cpu cpu, Op* op) => Put(cpu, op, Vector128.CreateScalar(cpu.S->R[op->B]));

    public static bool MovdTo(Cpu cpu, Op* op) => PutGeneral(cpu, op, Second<uint>(cpu, op).ToScalar());

    public static bool MovqTo(Cpu cpu, Op* op) => PutGeneral(cpu, op, Second<ulong>(cpu, op).ToScalar());

    public static bool Pmovmskb(Cpu cpu, Op* op) => PutGeneral(cpu, op, Second<byte>(cpu, op).ExtractMostSignificantBits());

    public static bool Movmskps(Cpu cpu, Op* op) => PutGeneral(cpu, op, Second<float>(cpu, op).ExtractMostSignificantBits());

    public static bool Movmskpd(Cpu cpu, Op* op) => PutGeneral(cpu, op, Second<double>(cpu, op).ExtractMostSignificantBits());

    public static bool Pextrb(Cpu cpu, Op* op) => PutGeneral(cpu, op, Second<byte>(cpu, op).GetElement((int)op->Imm & 15));

    public static bool Pextrw(Cpu cpu, Op* op) => PutGeneral(cpu, op, Second<ushort>(cpu, op).GetElement((int)op->Imm & 7));

    /// <summary>PEXTRD and EXTRACTPS.</summary>
    public static bool Pextrd(Cpu cpu, Op* op) => PutGeneral(cpu, op, Second<uint>(cpu, op).GetElement((int)op->Imm & 3));

    public static bool Pextrq(Cpu cpu, Op* op) => PutGeneral(cpu, op, Second<ulong>(cpu, op).GetElement((int)op->Imm & 1));

    public static bool Pinsrb(Cpu cpu, Op* op) => Put(cpu, op, First<byte>(cpu, op).WithElement((int)op->Imm & 15, (byte)cpu.S->R[op->B]));

    public static bool Pinsrw(Cpu cpu, Op* op) => Put(cpu, op, First<ushort>(cpu, op).WithElement((int)op->Imm & 7, (ushort)cpu.S->R[op->B]));

    public static bool Pinsrd(Cpu cpu, Op* op) => Put(cpu, op, First<uint>(cpu, op).WithElement((int)op->Imm & 3, (uint)cpu.S->R[op->B]));

    public static bool Pinsrq(Cpu cpu, Op* op) => Put(cpu, op, First<ulong>(cpu, op).WithElement((int)op->Imm & 1, cpu.S->R[op->B]));

    private static bool PutGeneral(Cpu cpu, Op* op, ulong value)
    {
        cpu.S->R[op->A] = value;
        return true;
    }

    // ---- shuffles with an immediate --------------------------------------------------------------------------------------------------

    public static bool Pshufd(Cpu cpu, Op* op)
    {
        Vector128<uint> v = Second<uint>(cpu, op);
        uint* p = (uint*)&v;
        int k = (int)op->Imm;
        return Put(cpu, op, Vector128.Create(p[k & 3], p[k >> 2 & 3], p[k >> 4 & 3], p[k >> 6 & 3]));
    }

    public static bool Pshuflw(Cpu cpu, Op* op)
    {
        Vector128<ulong> v = Second<ulong>(cpu, op);
        return Put(cpu, op, v.WithElement(0, ShuffleWords(v.GetElement(0), (int)op->Imm)));
    }

    public static bool Pshufhw(Cpu cpu, Op* op)
    {
        Vector128<ulong> v = Second<ulong>(cpu, op);
        return Put(cpu, op, v.WithElement(1, ShuffleWords(v.GetElement(1), (int)op->Imm)));
    }

    private static ulong ShuffleWords(ulong words, int control)
    {
        const int WordMask = 3, WordBits = 16;
        ulong result = 0;
        for (int i = 0; i < 4; i++)
        {
            ulong word = (ushort)(words >> ((control >> (2 * i) & WordMask) * WordBits));
            result |= word << (i * WordBits);
        }

        return result;
    }

    public static bool Shufps(Cpu cpu, Op* op)
    {
        Vector128<uint> a = First<uint>(cpu, op), b = Second<uint>(cpu, op);
        uint* pa = (uint*)&a, pb = (uint*)&b;
        int k = (int)op->Imm;
        return Put(cpu, op, Vector128.Create(pa[k & 3], pa[k >> 2 & 3], pb[k >> 4 & 3], pb[k >> 6 & 3]));
    }

    public static bool Shufpd(Cpu cpu, Op* op)
    {
        Vector128<ulong> a = First<ulong>(cpu, op), b = Second<ulong>(cpu, op);
        int k = (int)op->Imm;
        return Put(cpu, op, Vector128.Create(a.GetElement(k & 1), b.GetElement(k >> 1 & 1)));
    }

    public static bool Insertps(Cpu cpu, Op* op)
    {
        // Imm: source element in 7:6, destination element in 5:4, elements to clear in 3:0. A source in memory is one element.
        int k = (int)op->Imm;
        uint inserted = Second<uint>(cpu, op).GetElement(op->B == CpuState.XmmTemp ? 0 : k >> 6 & 3);
        Vector128<uint> r = First<uint>(cpu, op).WithElement(k >> 4 & 3, inserted);
        return Put(cpu, op, Vector128.ConditionalSelect(ElementMask(k), Vector128<uint>.Zero, r));
    }

    /// <summary>All ones in each of the four elements whose bit is set.</summary>
    private static Vector128<uint> ElementMask(int bits)
    {
        Vector128<uint> each = Vector128.Create(1u, 2u, 4u, 8u);
        return Vector128.Equals(Vector128.Create((uint)bits) & each, each);
    }

    public static bool Blendps(Cpu cpu, Op* op)
        => Put(cpu, op, Vector128.ConditionalSelect(ElementMask((int)op->Imm), Second<uint>(cpu, op), First<uint>(cpu, op)));

    public static bool Blendpd(Cpu cpu, Op* op)
    {
        Vector128<ulong> each = Vector128.Create(1UL, 2UL);
        Vector128<ulong> mask = Vector128.Equals(Vector128.Create((ulong)op->Imm) & each, each);
        return Put(cpu, op, Vector128.ConditionalSelect(mask, Second<ulong>(cpu, op), First<ulong>(cpu, op)));
    }

    public static bool Pblendw(Cpu cpu, Op* op)
    {
        Vector128<ushort> each = Vector128.Create((ushort)1, 2, 4, 8, 16, 32, 64, 128);
        Vector128<ushort> mask = Vector128.Equals(Vector128.Create((ushort)(byte)op->Imm) & each, each);
        return Put(cpu, op, Vector128.ConditionalSelect(mask, Second<ushort>(cpu, op), First<ushort>(cpu, op)));
    }

    /// <summary>PBLENDVB, BLENDVPS, BLENDVPD: XMM0's sign bits choose.</summary>
    public static bool Pblendvb(Cpu cpu, Op* op) => Put(cpu, op, Sse41.BlendVariable(First<byte>(cpu, op), Second<byte>(cpu, op), CpuState.Xmm(cpu.S)[0]));

    public static bool Blendvps(Cpu cpu, Op* op)
        => Put(cpu, op, Sse41.BlendVariable(First<float>(cpu, op), Second<float>(cpu, op), CpuState.Xmm(cpu.S)[0].AsSingle()));

    public static bool Blendvpd(Cpu cpu, Op* op)
        => Put(cpu, op, Sse41.BlendVariable(First<double>(cpu, op), Second<double>(cpu, op), CpuState.Xmm(cpu.S)[0].AsDouble()));

    public static bool Pshufb(Cpu cpu, Op* op) => Put(cpu, op, Ssse3.Shuffle(First<byte>(cpu, op), Second<byte>(cpu, op)));

    public static bool Palignr(Cpu cpu, Op* op)
    {
        const int Width = 16;
        int n = (byte)op->Imm;
        Vector128<byte> high = First<byte>(cpu, op), low = Second<byte>(cpu, op);
        if (n > Width) return Put(cpu, op, ShiftRight(high, n - Width));
        return Put(cpu, op, ShiftRight(low, n) | ShiftLeft(high, Width - n));
    }

    public static bool Psrldq(Cpu cpu, Op* op) => Put(cpu, op, ShiftRight(First<byte>(cpu, op), (byte)op->Imm));

    public static bool Pslldq(Cpu cpu, Op* op) => Put(cpu, op, ShiftLeft(First<byte>(cpu, op), (byte)op->Imm));

    /// <summary>Moves bytes down; zeros come in. PSHUFB clears the bytes whose index has bit 7 set, here those from 16 on.</summary>
    public static Vector128<byte> ShiftRight(Vector128<byte> value, int bytes)
    {
        const int FirstGone = 0x70;
        return Ssse3.Shuffle(value, Iota + Vector128.Create((byte)(FirstGone + Math.Min(bytes, 16))));
    }

    /// <summary>Moves bytes up; zeros come in (their indices are negative).</summary>
    public static Vector128<byte> ShiftLeft(Vector128<byte> value, int bytes) => Ssse3.Shuffle(value, Iota - Vector128.Create((byte)Math.Min(bytes, 16)));

    // ---- unpacking -------------------------------------------------------------------------------------------------------------------

    public static bool Punpcklbw(Cpu cpu, Op* op) => Put(cpu, op, Sse2.UnpackLow(First<byte>(cpu, op), Second<byte>(cpu, op)));

    public static bool Punpcklwd(Cpu cpu, Op* op) => Put(cpu, op, Sse2.UnpackLow(First<ushort>(cpu, op), Second<ushort>(cpu, op)));

    /// <summary>PUNPCKLDQ and UNPCKLPS.</summary>
    public static bool Punpckldq(Cpu cpu, Op* op) => Put(cpu, op, Sse2.UnpackLow(First<uint>(cpu, op), Second<uint>(cpu, op)));

    public static bool Punpckhbw(Cpu cpu, Op* op) => Put(cpu, op, Sse2.UnpackHigh(First<byte>(cpu, op), Second<byte>(cpu, op)));

    public static bool Punpckhwd(Cpu cpu, Op* op) => Put(cpu, op, Sse2.UnpackHigh(First<ushort>(cpu, op), Second<ushort>(cpu, op)));

    /// <summary>PUNPCKHDQ and UNPCKHPS.</summary>
    public static bool Punpckhdq(Cpu cpu, Op* op) => Put(cpu, op, Sse2.UnpackHigh(First<uint>(cpu, op), Second<uint>(cpu, op)));

    /// <summary>PUNPCKHQDQ and UNPCKHPD.</summary>
    public static bool Punpckhqdq(Cpu cpu, Op* op) => Put(cpu, op, Sse2.UnpackHigh(First<ulong>(cpu, op), Second<ulong>(cpu, op)));

    // ---- masked stores -----------------------------------------------------------------------------------------------------------------

    /// <summary>MASKMOVDQU and MASKMOVQ: the bytes of A whose mask byte in B has bit 7 set go to the step's address.</summary>
    public static bool MaskedStore(Cpu cpu, Op* op)
    {
        uint mask = Second<byte>(cpu, op).ExtractMostSignificantBits();
        if (op->Size == sizeof(ulong)) mask &= byte.MaxValue;
        Vector128<byte> value = First<byte>(cpu, op);
        ulong linear = cpu.LinearAddress(op);
        // Processors look at the whole operand's pages, whatever the mask.
        if (!cpu.Mem.TryProbeWrite(linear, op->Size)) return false;
        for (; mask != 0; mask &= mask - 1)
        {
            int i = BitOperations.TrailingZeroCount(mask);
            // Outside 64-bit code addresses wrap at 4 GiB, as RIP does.
            if (!cpu.Mem.TryWrite(cpu.TrimRip(linear + (uint)i), 1, value.GetElement(i))) return false;
        }

        return true;
    }

    // ---- MXCSR -------------------------------------------------------------------------------------------------------------------------

    public static bool Ldmxcsr(Cpu cpu, Op* op)
    {
        uint value = (uint)cpu.S->R[op->B];
        if ((value & ~Mxcsr.Defined) != 0) return cpu.RaiseGp();
        cpu.S->Mxcsr = value;
        return true;
    }

    public static bool Stmxcsr(Cpu cpu, Op* op)
    {
        cpu.S->R[op->A] = cpu.S->Mxcsr;
        return true;
    }
}
