using System.Buffers.Binary;
using Iced.Intel;
using Vmm.Cpu.Tests.Oracle.Generation;

namespace Vmm.Cpu.Tests.Oracle.Judgement;

/// <summary>
/// Makes the two outcomes agree wherever the manuals promise nothing, so that what still differs is an error. Only what cannot be
/// known is touched; close approximations are taken over only within their documented bound.
/// </summary>
internal static unsafe class Scrubber
{
    private const int PageFault = 14;
    private const int FxPointersStart = 6;
    private const int FxPointersEnd = 24;
    private const int FxMxcsrMask = 28;
    private const int FxReservedStart = 416;

    /// <summary>The reciprocal approximations promise 12 bits; both sides may be off by that much.</summary>
    private const int ReciprocalToleranceUlps = 1 << 13;

    /// <summary>Units in the last place by which two extended results of a transcendental function may differ.</summary>
    private const ulong TranscendentalToleranceUlps = 4;

    public static void Scrub(OracleCase test, ref CaseOutcome expected, Span<byte> expectedData, ref CaseOutcome actual, Span<byte> actualData)
    {
        ScrubAlways(ref expected.State);
        ScrubAlways(ref actual.State);
        // Which of its two operands CMPS looks at first is its own affair.
        bool isCompare = test.Subject.Mnemonic is Mnemonic.Cmpsb or Mnemonic.Cmpsw or Mnemonic.Cmpsd or Mnemonic.Cmpsq && test.Subject.IsStringInstruction;
        if (isCompare && expected.Vector != CaseOutcome.NoFault && actual.Vector != CaseOutcome.NoFault)
            (actual.Vector, actual.ErrorCode, actual.FaultAddress) = (expected.Vector, expected.ErrorCode, expected.FaultAddress);
        if (expected.Vector != actual.Vector) return;
        if (expected.Vector == PageFault && IsBlock(test.Subject.Mnemonic))
            (actual.ErrorCode, actual.FaultAddress) = (expected.ErrorCode, expected.FaultAddress);
        RflagsBit flags = 0;
        ushort conditions = 0;
        for (int i = 0; i < test.InstructionCount; i++)
        {
            ref readonly Instruction instruction = ref test.Instructions[i];
            ulong? count = test.InstructionCount == 1 ? UndefinedFlags.Count(instruction, test.Input) : null;
            RflagsBit undefined = UndefinedFlags.Of(instruction, count);
            flags = (flags & ~Defined(instruction, undefined)) | undefined;
            if (X87Rules.IsX87(instruction)) conditions = (ushort)((conditions & ~X87Rules.UndefinedConditions(instruction.Mnemonic)) | X87Rules.UndefinedConditions(instruction.Mnemonic));
        }

        if (expected.Vector == CaseOutcome.NoFault)
        {
            actual.State.Rflags = Merge(expected.State.Rflags, actual.State.Rflags, (ulong)flags);
            actual.State.Fsw = (ushort)Merge(expected.State.Fsw, actual.State.Fsw, conditions);
        }

        if (test.InstructionCount == 1) ScrubOne(test, expected, expectedData, ref actual, actualData);
    }

    // Where in their long operands these begin is their own affair.
    private static bool IsBlock(Mnemonic mnemonic) => mnemonic is Mnemonic.Fxsave or Mnemonic.Fxsave64 or Mnemonic.Fxrstor or Mnemonic.Fxrstor64
        or Mnemonic.Fnsave or Mnemonic.Frstor or Mnemonic.Fnstenv or Mnemonic.Fldenv;

    /// <summary>Flags that an instruction surely sets, whatever was undefined before.</summary>
    public static RflagsBit Defined(in Instruction instruction, RflagsBit undefined)
    {
        bool mayKeepAll = instruction.Mnemonic is Mnemonic.Shl or Mnemonic.Sal or Mnemonic.Shr or Mnemonic.Sar or Mnemonic.Shld or Mnemonic.Shrd
            or Mnemonic.Rol or Mnemonic.Ror or Mnemonic.Rcl or Mnemonic.Rcr || instruction.HasRepPrefix || instruction.HasRepnePrefix;
        return mayKeepAll ? 0 : UndefinedFlags.FromIced(instruction.RflagsModified) & ~undefined;
    }

    private static ulong Merge(ulong expected, ulong actual, ulong undefined) => (actual & ~undefined) | (expected & undefined);

    private static void ScrubAlways(ref MachineImage image)
    {
        image.Rflags &= ~(ulong)RflagsBit.RF;
        // A null selector's RPL is lost when an interrupt comes at the right moment: IRET puts 0 in its place.
        for (int i = 0; i < 6; i++)
        {
            if (image.Selectors[i] < 4) image.Selectors[i] = 0;
        }

        for (int i = FxPointersStart; i < FxPointersEnd; i++) image.Fx[i] = 0;
        for (int i = FxMxcsrMask; i < FxMxcsrMask + 4; i++) image.Fx[i] = 0;
        for (int i = FxReservedStart; i < MachineImage.FxSize; i++) image.Fx[i] = 0;
        for (int st = 0; st < 8; st++)
        {
            for (int i = 10; i < 16; i++) image.Fx[MachineImage.FxSt + (16 * st) + i] = 0;
        }
    }

    private static void ScrubOne(OracleCase test, in CaseOutcome expected, Span<byte> expectedData, ref CaseOutcome actual, Span<byte> actualData)
    {
        ref readonly Instruction instruction = ref test.Subject;
        switch (instruction.Mnemonic)
        {
            case Mnemonic.Fxsave or Mnemonic.Fxsave64:
                if (expected.Vector != CaseOutcome.NoFault) expectedData.CopyTo(actualData);
                else ScrubFxImage(test, expectedData, actualData);
                break;
            case Mnemonic.Fnstenv or Mnemonic.Fnsave:
                if (expected.Vector != CaseOutcome.NoFault) expectedData.CopyTo(actualData);
                else ScrubEnvironment(instruction, test, expectedData, actualData);
                break;
            case Mnemonic.Rcpps or Mnemonic.Rcpss or Mnemonic.Rsqrtps or Mnemonic.Rsqrtss:
                ScrubReciprocals(expected.State, ref actual.State);
                break;
            case Mnemonic.Shld or Mnemonic.Shrd when UndefinedFlags.Masked(instruction, UndefinedFlags.Count(instruction, test.Input)) > (ulong)UndefinedFlags.OperandBits(instruction):
                expectedData.CopyTo(actualData);
                if (instruction.Op0Kind == OpKind.Register)
                {
                    int number = RegisterState.Number(instruction.Op0Register);
                    actual.State.Gpr[number] = expected.State.Gpr[number];
                }

                break;
            default:
                if (X87Rules.IsTranscendental(instruction.Mnemonic)) ScrubTranscendental(test, expected.State, ref actual.State);
                break;
        }
    }

    // Pointers to the last x87 instruction are kept or not, as the CPU likes.
    private static void ScrubFxImage(OracleCase test, Span<byte> expected, Span<byte> actual)
    {
        ulong at = test.OperandAddress;
        Copy(expected, actual, at + FxPointersStart, FxPointersEnd - FxPointersStart);
        Copy(expected, actual, at + FxMxcsrMask, 4);
        if (test.Bitness != 64) Copy(expected, actual, at + 288, 128);
    }

    private static void ScrubEnvironment(in Instruction instruction, OracleCase test, Span<byte> expected, Span<byte> actual)
    {
        ulong at = test.OperandAddress;
        bool isShort = instruction.MemorySize is MemorySize.FpuEnv14 or MemorySize.FpuState94;
        if (isShort) Copy(expected, actual, at + 6, 8);
        else Copy(expected, actual, at + 12, 16);
    }

    private static void Copy(Span<byte> from, Span<byte> to, ulong linear, int count)
    {
        for (int i = 0; i < count; i++)
        {
            ulong at = linear + (ulong)i - OracleLayout.Data;
            if (at < (ulong)from.Length) to[(int)at] = from[(int)at];
        }
    }

    private static void ScrubReciprocals(in MachineImage expected, ref MachineImage actual)
    {
        fixed (byte* want = expected.Fx, got = actual.Fx)
        {
            uint* a = (uint*)(want + MachineImage.FxXmm), b = (uint*)(got + MachineImage.FxXmm);
            for (int i = 0; i < 64; i++)
            {
                bool areNumbers = (a[i] & 0x7f80_0000) != 0x7f80_0000 && (b[i] & 0x7f80_0000) != 0x7f80_0000;
                if (areNumbers && Math.Abs((long)a[i] - b[i]) <= ReciprocalToleranceUlps) b[i] = a[i];
            }
        }
    }

    private static void ScrubTranscendental(OracleCase test, in MachineImage expected, ref MachineImage actual)
    {
        if (X87Rules.IsOutOfRange(test.Subject.Mnemonic, test.Input))
        {
            fixed (byte* from = expected.Fx, to = actual.Fx) Buffer.MemoryCopy(from, to, MachineImage.FxXmm, MachineImage.FxXmm);
            return;
        }

        // A tiny result is inexact, and so an underflow, or exact: that is the last bit's business, too.
        actual.Fsw = (ushort)Merge(expected.Fsw, actual.Fsw, X87Rules.PE | X87Rules.UE | X87Rules.Summary);
        fixed (byte* want = expected.Fx, got = actual.Fx)
        {
            for (int st = 0; st < 2; st++)
            {
                Span<byte> a = new(want + MachineImage.FxSt + (16 * st), 10), b = new(got + MachineImage.FxSt + (16 * st), 10);
                UInt128 left = Ordinal(a), right = Ordinal(b);
                UInt128 distance = left > right ? left - right : right - left;
                if (a[9] >> 7 == b[9] >> 7 && distance <= TranscendentalToleranceUlps) a.CopyTo(b);
            }
        }
    }

    // Neighbouring extended numbers of one sign have neighbouring ordinals; the integer bit is implied by the exponent.
    private static UInt128 Ordinal(ReadOnlySpan<byte> extended)
    {
        ulong significand = BinaryPrimitives.ReadUInt64LittleEndian(extended) & long.MaxValue;
        uint exponent = BinaryPrimitives.ReadUInt16LittleEndian(extended[8..]) & 0x7fffu;
        return ((UInt128)exponent << 63) | significand;
    }
}
