using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Vmm.Cpu.Decode;
using Vmm.Cpu.State;
using static Vmm.Cpu.Execute.Simd.SimdOperands;

namespace Vmm.Cpu.Execute.Simd;

/// <summary>Packed integer arithmetic, comparisons, shifts and logic: each is the host's own instruction.</summary>
internal static unsafe class SseInteger
{
    // ---- logic; the floating-point forms are the same ------------------------------------------------------------------------------

    public static bool Pand(Cpu cpu, Op* op) => Put(cpu, op, Sse2.And(First<ulong>(cpu, op), Second<ulong>(cpu, op)));

    public static bool Pandn(Cpu cpu, Op* op) => Put(cpu, op, Sse2.AndNot(First<ulong>(cpu, op), Second<ulong>(cpu, op)));

    public static bool Por(Cpu cpu, Op* op) => Put(cpu, op, Sse2.Or(First<ulong>(cpu, op), Second<ulong>(cpu, op)));

    public static bool Pxor(Cpu cpu, Op* op) => Put(cpu, op, Sse2.Xor(First<ulong>(cpu, op), Second<ulong>(cpu, op)));

    // ---- add and subtract --------------------------------------------------------------------------------------------------------------

    public static bool Paddb(Cpu cpu, Op* op) => Put(cpu, op, Sse2.Add(First<byte>(cpu, op), Second<byte>(cpu, op)));

    public static bool Paddw(Cpu cpu, Op* op) => Put(cpu, op, Sse2.Add(First<ushort>(cpu, op), Second<ushort>(cpu, op)));

    public static bool Paddd(Cpu cpu, Op* op) => Put(cpu, op, Sse2.Add(First<uint>(cpu, op), Second<uint>(cpu, op)));

    public static bool Paddq(Cpu cpu, Op* op) => Put(cpu, op, Sse2.Add(First<ulong>(cpu, op), Second<ulong>(cpu, op)));

    public static bool Paddsb(Cpu cpu, Op* op) => Put(cpu, op, Sse2.AddSaturate(First<sbyte>(cpu, op), Second<sbyte>(cpu, op)));

    public static bool Paddsw(Cpu cpu, Op* op) => Put(cpu, op, Sse2.AddSaturate(First<short>(cpu, op), Second<short>(cpu, op)));

    public static bool Paddusb(Cpu cpu, Op* op) => Put(cpu, op, Sse2.AddSaturate(First<byte>(cpu, op), Second<byte>(cpu, op)));

    public static bool Paddusw(Cpu cpu, Op* op) => Put(cpu, op, Sse2.AddSaturate(First<ushort>(cpu, op), Second<ushort>(cpu, op)));

    public static bool Psubb(Cpu cpu, Op* op) => Put(cpu, op, Sse2.Subtract(First<byte>(cpu, op), Second<byte>(cpu, op)));

    public static bool Psubw(Cpu cpu, Op* op) => Put(cpu, op, Sse2.Subtract(First<ushort>(cpu, op), Second<ushort>(cpu, op)));

    public static bool Psubd(Cpu cpu, Op* op) => Put(cpu, op, Sse2.Subtract(First<uint>(cpu, op), Second<uint>(cpu, op)));

    public static bool Psubq(Cpu cpu, Op* op) => Put(cpu, op, Sse2.Subtract(First<ulong>(cpu, op), Second<ulong>(cpu, op)));

    public static bool Psubsb(Cpu cpu, Op* op) => Put(cpu, op, Sse2.SubtractSaturate(First<sbyte>(cpu, op), Second<sbyte>(cpu, op)));

    public static bool Psubsw(Cpu cpu, Op* op) => Put(cpu, op, Sse2.SubtractSaturate(First<short>(cpu, op), Second<short>(cpu, op)));

    public static bool Psubusb(Cpu cpu, Op* op) => Put(cpu, op, Sse2.SubtractSaturate(First<byte>(cpu, op), Second<byte>(cpu, op)));

    public static bool Psubusw(Cpu cpu, Op* op) => Put(cpu, op, Sse2.SubtractSaturate(First<ushort>(cpu, op), Second<ushort>(cpu, op)));

    public static bool Phaddw(Cpu cpu, Op* op) => Put(cpu, op, Ssse3.HorizontalAdd(First<short>(cpu, op), Second<short>(cpu, op)));

    public static bool Phaddd(Cpu cpu, Op* op) => Put(cpu, op, Ssse3.HorizontalAdd(First<int>(cpu, op), Second<int>(cpu, op)));

    public static bool Phaddsw(Cpu cpu, Op* op) => Put(cpu, op, Ssse3.HorizontalAddSaturate(First<short>(cpu, op), Second<short>(cpu, op)));

    public static bool Phsubw(Cpu cpu, Op* op) => Put(cpu, op, Ssse3.HorizontalSubtract(First<short>(cpu, op), Second<short>(cpu, op)));

    public static bool Phsubd(Cpu cpu, Op* op) => Put(cpu, op, Ssse3.HorizontalSubtract(First<int>(cpu, op), Second<int>(cpu, op)));

    public static bool Phsubsw(Cpu cpu, Op* op) => Put(cpu, op, Ssse3.HorizontalSubtractSaturate(First<short>(cpu, op), Second<short>(cpu, op)));

    public static bool Pavgb(Cpu cpu, Op* op) => Put(cpu, op, Sse2.Average(First<byte>(cpu, op), Second<byte>(cpu, op)));

    public static bool Pavgw(Cpu cpu, Op* op) => Put(cpu, op, Sse2.Average(First<ushort>(cpu, op), Second<ushort>(cpu, op)));

    public static bool Psadbw(Cpu cpu, Op* op) => Put(cpu, op, Sse2.SumAbsoluteDifferences(First<byte>(cpu, op), Second<byte>(cpu, op)));

    // ---- multiply ----------------------------------------------------------------------------------------------------------------------

    public static bool Pmullw(Cpu cpu, Op* op) => Put(cpu, op, Sse2.MultiplyLow(First<short>(cpu, op), Second<short>(cpu, op)));

    public static bool Pmulhw(Cpu cpu, Op* op) => Put(cpu, op, Sse2.MultiplyHigh(First<short>(cpu, op), Second<short>(cpu, op)));

    public static bool Pmulhuw(Cpu cpu, Op* op) => Put(cpu, op, Sse2.MultiplyHigh(First<ushort>(cpu, op), Second<ushort>(cpu, op)));

    public static bool Pmuludq(Cpu cpu, Op* op) => Put(cpu, op, Sse2.Multiply(First<uint>(cpu, op), Second<uint>(cpu, op)));

    public static bool Pmuldq(Cpu cpu, Op* op) => Put(cpu, op, Sse41.Multiply(First<int>(cpu, op), Second<int>(cpu, op)));

    public static bool Pmulld(Cpu cpu, Op* op) => Put(cpu, op, Sse41.MultiplyLow(First<int>(cpu, op), Second<int>(cpu, op)));

    public static bool Pmaddwd(Cpu cpu, Op* op) => Put(cpu, op, Sse2.MultiplyAddAdjacent(First<short>(cpu, op), Second<short>(cpu, op)));

    public static bool Pmulhrsw(Cpu cpu, Op* op) => Put(cpu, op, Ssse3.MultiplyHighRoundScale(First<short>(cpu, op), Second<short>(cpu, op)));

    public static bool Pmaddubsw(Cpu cpu, Op* op) => Put(cpu, op, Ssse3.MultiplyAddAdjacent(First<byte>(cpu, op), Second<sbyte>(cpu, op)));

    // ---- compare, minimum, maximum, sign -------------------------------------------------------------------------------------------

    public static bool Pcmpeqb(Cpu cpu, Op* op) => Put(cpu, op, Sse2.CompareEqual(First<byte>(cpu, op), Second<byte>(cpu, op)));

    public static bool Pcmpeqw(Cpu cpu, Op* op) => Put(cpu, op, Sse2.CompareEqual(First<ushort>(cpu, op), Second<ushort>(cpu, op)));

    public static bool Pcmpeqd(Cpu cpu, Op* op) => Put(cpu, op, Sse2.CompareEqual(First<uint>(cpu, op), Second<uint>(cpu, op)));

    public static bool Pcmpeqq(Cpu cpu, Op* op) => Put(cpu, op, Sse41.CompareEqual(First<ulong>(cpu, op), Second<ulong>(cpu, op)));

    public static bool Pcmpgtb(Cpu cpu, Op* op) => Put(cpu, op, Sse2.CompareGreaterThan(First<sbyte>(cpu, op), Second<sbyte>(cpu, op)));

    public static bool Pcmpgtw(Cpu cpu, Op* op) => Put(cpu, op, Sse2.CompareGreaterThan(First<short>(cpu, op), Second<short>(cpu, op)));

    public static bool Pcmpgtd(Cpu cpu, Op* op) => Put(cpu, op, Sse2.CompareGreaterThan(First<int>(cpu, op), Second<int>(cpu, op)));

    public static bool Pcmpgtq(Cpu cpu, Op* op) => Put(cpu, op, Sse42.CompareGreaterThan(First<long>(cpu, op), Second<long>(cpu, op)));

    public static bool Pminub(Cpu cpu, Op* op) => Put(cpu, op, Sse2.Min(First<byte>(cpu, op), Second<byte>(cpu, op)));

    public static bool Pminsw(Cpu cpu, Op* op) => Put(cpu, op, Sse2.Min(First<short>(cpu, op), Second<short>(cpu, op)));

    public static bool Pminsb(Cpu cpu, Op* op) => Put(cpu, op, Sse41.Min(First<sbyte>(cpu, op), Second<sbyte>(cpu, op)));

    public static bool Pminsd(Cpu cpu, Op* op) => Put(cpu, op, Sse41.Min(First<int>(cpu, op), Second<int>(cpu, op)));

    public static bool Pminuw(Cpu cpu, Op* op) => Put(cpu, op, Sse41.Min(First<ushort>(cpu, op), Second<ushort>(cpu, op)));

    public static bool Pminud(Cpu cpu, Op* op) => Put(cpu, op, Sse41.Min(First<uint>(cpu, op), Second<uint>(cpu, op)));

    public static bool Pmaxub(Cpu cpu, Op* op) => Put(cpu, op, Sse2.Max(First<byte>(cpu, op), Second<byte>(cpu, op)));

    public static bool Pmaxsw(Cpu cpu, Op* op) => Put(cpu, op, Sse2.Max(First<short>(cpu, op), Second<short>(cpu, op)));

    public static bool Pmaxsb(Cpu cpu, Op* op) => Put(cpu, op, Sse41.Max(First<sbyte>(cpu, op), Second<sbyte>(cpu, op)));

    public static bool Pmaxsd(Cpu cpu, Op* op) => Put(cpu, op, Sse41.Max(First<int>(cpu, op), Second<int>(cpu, op)));

    public static bool Pmaxuw(Cpu cpu, Op* op) => Put(cpu, op, Sse41.Max(First<ushort>(cpu, op), Second<ushort>(cpu, op)));

    public static bool Pmaxud(Cpu cpu, Op* op) => Put(cpu, op, Sse41.Max(First<uint>(cpu, op), Second<uint>(cpu, op)));

    public static bool Pabsb(Cpu cpu, Op* op) => Put(cpu, op, Ssse3.Abs(Second<sbyte>(cpu, op)));

    public static bool Pabsw(Cpu cpu, Op* op) => Put(cpu, op, Ssse3.Abs(Second<short>(cpu, op)));

    public static bool Pabsd(Cpu cpu, Op* op) => Put(cpu, op, Ssse3.Abs(Second<int>(cpu, op)));

    public static bool Psignb(Cpu cpu, Op* op) => Put(cpu, op, Ssse3.Sign(First<sbyte>(cpu, op), Second<sbyte>(cpu, op)));

    public static bool Psignw(Cpu cpu, Op* op) => Put(cpu, op, Ssse3.Sign(First<short>(cpu, op), Second<short>(cpu, op)));

    public static bool Psignd(Cpu cpu, Op* op) => Put(cpu, op, Ssse3.Sign(First<int>(cpu, op), Second<int>(cpu, op)));

    public static bool Phminposuw(Cpu cpu, Op* op) => Put(cpu, op, Sse41.MinHorizontal(Second<ushort>(cpu, op)));

    /// <summary>ZF: no bit in common; CF: no bit of the source outside the destination.</summary>
    public static bool Ptest(Cpu cpu, Op* op)
    {
        Vector128<byte> a = First<byte>(cpu, op), b = Second<byte>(cpu, op);
        Flags.SetStatus(cpu.S, (Sse41.TestZ(a, b) ? Rflags.ZF : 0) | (Sse41.TestC(a, b) ? Rflags.CF : 0));
        return true;
    }

    /// <summary>Eight sums of absolute differences: Imm bits 1:0 choose a block of four source bytes, bit 2 where the destination's run begins.</summary>
    public static bool Mpsadbw(Cpu cpu, Op* op)
    {
        const int BlockBytes = 4;
        Vector128<byte> a = First<byte>(cpu, op), b = Second<byte>(cpu, op);
        byte* pa = (byte*)&a + (((int)op->Imm >> 2 & 1) * BlockBytes), pb = (byte*)&b + (((int)op->Imm & 3) * BlockBytes);
        Vector128<ushort> sums = default;
        for (int i = 0; i < Vector128<ushort>.Count; i++)
        {
            int sum = 0;
            for (int j = 0; j < BlockBytes; j++) sum += Math.Abs(pa[i + j] - pb[j]);
            sums = sums.WithElement(i, (ushort)sum);
        }

        return Put(cpu, op, sums);
    }

    // ---- narrow and widen ----------------------------------------------------------------------------------------------------------

    public static bool Packsswb(Cpu cpu, Op* op) => Put(cpu, op, Sse2.PackSignedSaturate(First<short>(cpu, op), Second<short>(cpu, op)));

    public static bool Packssdw(Cpu cpu, Op* op) => Put(cpu, op, Sse2.PackSignedSaturate(First<int>(cpu, op), Second<int>(cpu, op)));

    public static bool Packuswb(Cpu cpu, Op* op) => Put(cpu, op, Sse2.PackUnsignedSaturate(First<short>(cpu, op), Second<short>(cpu, op)));

    public static bool Packusdw(Cpu cpu, Op* op) => Put(cpu, op, Sse41.PackUnsignedSaturate(First<int>(cpu, op), Second<int>(cpu, op)));

    public static bool Pmovsxbw(Cpu cpu, Op* op) => Put(cpu, op, Sse41.ConvertToVector128Int16(Second<sbyte>(cpu, op)));

    public static bool Pmovsxbd(Cpu cpu, Op* op) => Put(cpu, op, Sse41.ConvertToVector128Int32(Second<sbyte>(cpu, op)));

    public static bool Pmovsxbq(Cpu cpu, Op* op) => Put(cpu, op, Sse41.ConvertToVector128Int64(Second<sbyte>(cpu, op)));

    public static bool Pmovsxwd(Cpu cpu, Op* op) => Put(cpu, op, Sse41.ConvertToVector128Int32(Second<short>(cpu, op)));

    public static bool Pmovsxwq(Cpu cpu, Op* op) => Put(cpu, op, Sse41.ConvertToVector128Int64(Second<short>(cpu, op)));

    public static bool Pmovsxdq(Cpu cpu, Op* op) => Put(cpu, op, Sse41.ConvertToVector128Int64(Second<int>(cpu, op)));

    public static bool Pmovzxbw(Cpu cpu, Op* op) => Put(cpu, op, Sse41.ConvertToVector128Int16(Second<byte>(cpu, op)));

    public static bool Pmovzxbd(Cpu cpu, Op* op) => Put(cpu, op, Sse41.ConvertToVector128Int32(Second<byte>(cpu, op)));

    public static bool Pmovzxbq(Cpu cpu, Op* op) => Put(cpu, op, Sse41.ConvertToVector128Int64(Second<byte>(cpu, op)));

    public static bool Pmovzxwd(Cpu cpu, Op* op) => Put(cpu, op, Sse41.ConvertToVector128Int32(Second<ushort>(cpu, op)));

    public static bool Pmovzxwq(Cpu cpu, Op* op) => Put(cpu, op, Sse41.ConvertToVector128Int64(Second<ushort>(cpu, op)));

    public static bool Pmovzxdq(Cpu cpu, Op* op) => Put(cpu, op, Sse41.ConvertToVector128Int64(Second<uint>(cpu, op)));

    // ---- shifts by the source's low half; larger counts than the elements have bits leave zeros or signs -------------------------------

    public static bool Psllw(Cpu cpu, Op* op) => Put(cpu, op, Sse2.ShiftLeftLogical(First<short>(cpu, op), Second<short>(cpu, op)));

    public static bool Pslld(Cpu cpu, Op* op) => Put(cpu, op, Sse2.ShiftLeftLogical(First<int>(cpu, op), Second<int>(cpu, op)));

    public static bool Psllq(Cpu cpu, Op* op) => Put(cpu, op, Sse2.ShiftLeftLogical(First<long>(cpu, op), Second<long>(cpu, op)));

    public static bool Psrlw(Cpu cpu, Op* op) => Put(cpu, op, Sse2.ShiftRightLogical(First<short>(cpu, op), Second<short>(cpu, op)));

    public static bool Psrld(Cpu cpu, Op* op) => Put(cpu, op, Sse2.ShiftRightLogical(First<int>(cpu, op), Second<int>(cpu, op)));

    public static bool Psrlq(Cpu cpu, Op* op) => Put(cpu, op, Sse2.ShiftRightLogical(First<long>(cpu, op), Second<long>(cpu, op)));

    public static bool Psraw(Cpu cpu, Op* op) => Put(cpu, op, Sse2.ShiftRightArithmetic(First<short>(cpu, op), Second<short>(cpu, op)));

    public static bool Psrad(Cpu cpu, Op* op) => Put(cpu, op, Sse2.ShiftRightArithmetic(First<int>(cpu, op), Second<int>(cpu, op)));

    // ---- shifts by an immediate --------------------------------------------------------------------------------------------------------

    public static bool PsllwImmediate(Cpu cpu, Op* op) => Put(cpu, op, Sse2.ShiftLeftLogical(First<short>(cpu, op), Count(op).AsInt16()));

    public static bool PslldImmediate(Cpu cpu, Op* op) => Put(cpu, op, Sse2.ShiftLeftLogical(First<int>(cpu, op), Count(op).AsInt32()));

    public static bool PsllqImmediate(Cpu cpu, Op* op) => Put(cpu, op, Sse2.ShiftLeftLogical(First<long>(cpu, op), Count(op)));

    public static bool PsrlwImmediate(Cpu cpu, Op* op) => Put(cpu, op, Sse2.ShiftRightLogical(First<short>(cpu, op), Count(op).AsInt16()));

    public static bool PsrldImmediate(Cpu cpu, Op* op) => Put(cpu, op, Sse2.ShiftRightLogical(First<int>(cpu, op), Count(op).AsInt32()));

    public static bool PsrlqImmediate(Cpu cpu, Op* op) => Put(cpu, op, Sse2.ShiftRightLogical(First<long>(cpu, op), Count(op)));

    public static bool PsrawImmediate(Cpu cpu, Op* op) => Put(cpu, op, Sse2.ShiftRightArithmetic(First<short>(cpu, op), Count(op).AsInt16()));

    public static bool PsradImmediate(Cpu cpu, Op* op) => Put(cpu, op, Sse2.ShiftRightArithmetic(First<int>(cpu, op), Count(op).AsInt32()));

    private static Vector128<long> Count(Op* op) => Vector128.CreateScalar(op->Imm);
}
