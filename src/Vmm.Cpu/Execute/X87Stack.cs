using System.Runtime.CompilerServices;
using Vmm.Cpu.Float;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Execute;

/// <summary>The x87 register stack and status word (Intel SDM vol. 1 §8.1, §8.5). In <see cref="CpuState.Ftw"/> 3 is empty; any other tag just says "in use".</summary>
internal static unsafe class X87Stack
{
    private const int TopShift = 11;
    private const ushort TagMask = 3;

    /// <summary>Number of the physical register that is ST(i).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Physical(CpuState* s, int i) => ((s->Fsw >> TopShift) + i) & 7;

    public static bool IsEmpty(CpuState* s, int i) => (s->Ftw >> (Physical(s, i) * 2) & TagMask) == TagMask;

    public static Extended Get(CpuState* s, int i)
    {
        ulong* register = CpuState.Fpu(s) + (Physical(s, i) * 2);
        return new Extended(register[0], (ushort)register[1]);
    }

    public static Unpacked Load(CpuState* s, int i) => Unpacked.From80(Get(s, i));

    /// <summary>Writes ST(i) and marks it in use.</summary>
    public static void Put(CpuState* s, int i, Extended value)
    {
        int physical = Physical(s, i);
        ulong* register = CpuState.Fpu(s) + (physical * 2);
        register[0] = value.Significand;
        register[1] = value.SignExponent;
        s->Ftw = (ushort)(s->Ftw & ~(TagMask << (physical * 2)));
    }

    public static void Put(CpuState* s, int i, in Unpacked value) => Put(s, i, value.To80());

    /// <summary>Moves TOP; registers and tags stay.</summary>
    public static void Rotate(CpuState* s, int by)
        => s->Fsw = (ushort)((s->Fsw & ~(int)FpuStatus.Top) | (Physical(s, by) << TopShift));

    /// <summary>A new ST(0).</summary>
    public static void Push(CpuState* s, Extended value)
    {
        Rotate(s, -1);
        Put(s, 0, value);
    }

    public static void Free(CpuState* s, int i) => s->Ftw |= (ushort)(TagMask << (Physical(s, i) * 2));

    public static void Pop(CpuState* s)
    {
        Free(s, 0);
        Rotate(s, 1);
    }

    public static void Pop(CpuState* s, int count)
    {
        for (int i = 0; i < count; i++) Pop(s);
    }

    public static FloatContext Context(CpuState* s) => FloatContext.ForX87(s->Fcw);

    /// <summary>The format of results of the five instructions that obey precision control.</summary>
    public static FloatFormat ControlledFormat(CpuState* s) => FloatFormat.ForPrecisionControl(s->Fcw >> 8 & 3);

    public static void SetConditions(CpuState* s, FpuStatus conditions)
        => s->Fsw = (ushort)((s->Fsw & ~(int)FpuStatus.Conditions) | (int)conditions);

    public static void ClearC1(CpuState* s) => s->Fsw = (ushort)(s->Fsw & ~(int)FpuStatus.C1);

    /// <summary>Adds the flags of an operation to the status word, and C1 for its rounding. False: an unmasked exception of the operands, nothing is to be stored.</summary>
    public static bool Commit(CpuState* s, in FloatContext c)
    {
        int status = s->Fsw & ~(int)FpuStatus.C1;
        if (c.RoundedUp) status |= (int)FpuStatus.C1;
        FxArea.SetStatus(s, (ushort)(status | (int)c.Flags));
        return !c.FaultsBefore;
    }

    /// <summary>An operand register is empty. True: the exception is masked, the answer is the indefinite.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static bool Underflow(CpuState* s) => Fault(s, FpuStatus.None);

    /// <summary>A push would overwrite a register in use. True: the exception is masked, push the indefinite.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static bool Overflow(CpuState* s) => Fault(s, FpuStatus.C1);

    private static bool Fault(CpuState* s, FpuStatus direction)
    {
        int status = s->Fsw & ~(int)FpuStatus.C1;
        FxArea.SetStatus(s, (ushort)(status | (int)FpuStatus.SF | (int)FloatFlags.IE | (int)direction));
        return (s->Fcw & (int)FloatFlags.IE) != 0;
    }

    /// <summary>Judges a push: true when there is room. Otherwise the exception is raised, and the indefinite pushed if it is masked.</summary>
    public static bool HasRoom(CpuState* s)
    {
        if (IsEmpty(s, -1)) return true;
        if (Overflow(s)) Push(s, Extended.Indefinite);
        return false;
    }
}
