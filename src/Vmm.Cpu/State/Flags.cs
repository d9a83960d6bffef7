using System.Numerics;
using System.Runtime.CompilerServices;

namespace Vmm.Cpu.State;

/// <summary>
/// Lazy status flags. An operation stores its result (sign-extended) and its carry-out vector, moved so that the top carry stands in
/// bit 63 and the one below it in bit 62: CF is bit 63, OF is bit 63 xor bit 62, AF is bit 3, whatever the operand size.
/// </summary>
internal static unsafe class Flags
{
    private const ulong TopTwo = 3UL << 62;
    private const ulong AuxAF = 8;
    private const int ParityShift = 8;
    private const int SignShift = 16;

    public static bool CF(CpuState* s) => (long)s->FlagsAux < 0;

    public static bool OF(CpuState* s) => (long)(s->FlagsAux ^ (s->FlagsAux << 1)) < 0;

    public static bool AF(CpuState* s) => (s->FlagsAux & AuxAF) != 0;

    public static bool ZF(CpuState* s) => s->FlagsResult == 0;

    public static bool SF(CpuState* s) => (long)(s->FlagsResult ^ (s->FlagsAux << (63 - SignShift))) < 0;

    public static bool PF(CpuState* s) => (BitOperations.PopCount((byte)(s->FlagsResult ^ (s->FlagsAux >> ParityShift))) & 1) == 0;

    /// <summary>CF as 0 or 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Carry(CpuState* s) => s->FlagsAux >> 63;

    /// <summary>Jcc, SETcc and CMOVcc conditions by their four encoding bits.</summary>
    public static bool Condition(CpuState* s, int condition)
    {
        bool value = (condition >> 1) switch
        {
            0 => OF(s),
            1 => CF(s),
            2 => ZF(s),
            3 => CF(s) || ZF(s),
            4 => SF(s),
            5 => PF(s),
            6 => SF(s) != OF(s),
            _ => ZF(s) || SF(s) != OF(s),
        };
        return value != ((condition & 1) != 0);
    }

    /// <summary>The whole RFLAGS.</summary>
    public static uint Get(CpuState* s)
    {
        uint flags = s->SystemFlags | Rflags.Fixed;
        if (CF(s)) flags |= Rflags.CF;
        if (PF(s)) flags |= Rflags.PF;
        if (AF(s)) flags |= Rflags.AF;
        if (ZF(s)) flags |= Rflags.ZF;
        if (SF(s)) flags |= Rflags.SF;
        if (OF(s)) flags |= Rflags.OF;
        return flags;
    }

    /// <summary>Sets the six status flags from an RFLAGS image; the others are left alone.</summary>
    public static void SetStatus(CpuState* s, uint flags)
    {
        bool zero = (flags & Rflags.ZF) != 0, sign = (flags & Rflags.SF) != 0;
        // A zero result has even parity and no sign; 0x100 is not zero, has even parity and no sign. The rest is corrected.
        ulong result = zero ? 0UL : 0x100UL;
        ulong aux = 0;
        if ((flags & Rflags.CF) != 0) aux |= TopTwo;
        if ((flags & Rflags.OF) != 0) aux ^= 1UL << 62;
        if ((flags & Rflags.AF) != 0) aux |= AuxAF;
        if ((flags & Rflags.PF) == 0) aux |= 1UL << ParityShift;
        if (sign) aux |= 1UL << SignShift;
        s->FlagsResult = result;
        s->FlagsAux = aux;
    }

    /// <summary>Replaces CF and OF, keeps the others.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetCarryOverflow(CpuState* s, bool carry, bool overflow)
    {
        ulong c = carry ? 1UL : 0, o = overflow ? 1UL : 0;
        s->FlagsAux = (s->FlagsAux & ~TopTwo) | (c << 63) | ((c ^ o) << 62);
    }

    /// <summary>Replaces CF, keeps the others.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetCarry(CpuState* s, bool carry)
    {
        // Turning CF over turns bit 62 over with it, so that their difference, OF, stays.
        ulong turn = (s->FlagsAux >> 63) ^ (carry ? 1UL : 0);
        s->FlagsAux ^= (turn << 63) | (turn << 62);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add64(CpuState* s, ulong a, ulong b, ulong r)
    {
        s->FlagsResult = r;
        s->FlagsAux = ((a & b) | ((a | b) & ~r)) & (TopTwo | AuxAF);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add32(CpuState* s, uint a, uint b, uint r)
    {
        uint carries = (a & b) | ((a | b) & ~r);
        s->FlagsResult = (ulong)(int)r;
        s->FlagsAux = (((ulong)carries << 32) & TopTwo) | (carries & (uint)AuxAF);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sub64(CpuState* s, ulong a, ulong b, ulong r)
    {
        s->FlagsResult = r;
        s->FlagsAux = ((~a & b) | (~(a ^ b) & r)) & (TopTwo | AuxAF);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sub32(CpuState* s, uint a, uint b, uint r)
    {
        uint carries = (~a & b) | (~(a ^ b) & r);
        s->FlagsResult = (ulong)(int)r;
        s->FlagsAux = (((ulong)carries << 32) & TopTwo) | (carries & (uint)AuxAF);
    }

    /// <summary>AND, OR, XOR, TEST: CF = OF = AF = 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Logic64(CpuState* s, ulong r)
    {
        s->FlagsResult = r;
        s->FlagsAux = 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Logic32(CpuState* s, uint r)
    {
        s->FlagsResult = (ulong)(int)r;
        s->FlagsAux = 0;
    }

    /// <summary>ADD or ADC of any width: <paramref name="a"/>, <paramref name="b"/> and <paramref name="r"/> are zero-extended.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add(CpuState* s, int sizeBytes, ulong a, ulong b, ulong r) => Set(s, sizeBytes, (a & b) | ((a | b) & ~r), r);

    /// <summary>SUB, SBB, CMP or NEG of any width.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sub(CpuState* s, int sizeBytes, ulong a, ulong b, ulong r) => Set(s, sizeBytes, (~a & b) | (~(a ^ b) & r), r);

    /// <summary>Logic of any width.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Logic(CpuState* s, int sizeBytes, ulong r) => Set(s, sizeBytes, 0, r);

    /// <summary>INC and DEC: as ADD and SUB of 1 but CF stays.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void KeepCarry(CpuState* s, ulong oldAux)
    {
        ulong overflow = (s->FlagsAux ^ (s->FlagsAux << 1)) >> 63;
        ulong carry = oldAux >> 63;
        s->FlagsAux = (s->FlagsAux & AuxAF) | (carry << 63) | ((carry ^ overflow) << 62);
    }

    /// <summary>ZF, SF and PF of a result of any width; CF and OF as given; AF clear.</summary>
    public static void SetResult(CpuState* s, int sizeBytes, ulong r, bool carry, bool overflow)
    {
        Set(s, sizeBytes, 0, r);
        SetCarryOverflow(s, carry, overflow);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Set(CpuState* s, int sizeBytes, ulong carries, ulong r)
    {
        int shift = 64 - (sizeBytes * 8);
        s->FlagsResult = (ulong)((long)(r << shift) >> shift);
        s->FlagsAux = ((carries << shift) & TopTwo) | (carries & AuxAF);
    }
}
