using System.Runtime.Intrinsics;
using Vmm.Cpu.Decode;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Execute.Simd;

/// <summary>
/// MMX instructions on the x87 registers (Intel SDM vol. 1 §9.2): operands are laid out in vector slots, an SSE handler does the work, the
/// result goes back. A and B are MM numbers (B is <see cref="CpuState.XmmTemp"/> for an operand from memory), Imm is the SSE handler,
/// C the immediate.
/// </summary>
internal static unsafe class MmxHandlers
{
    private const byte Memory = CpuState.XmmTemp;

    /// <summary>The registers are MMX ones from here on: TOP is 0, none is empty.</summary>
    public static bool Enter(Cpu cpu, Op* op)
    {
        cpu.S->Fsw &= (ushort)~FpuStatus.Top;
        cpu.S->Ftw = 0;
        return true;
    }

    public static bool Emms(Cpu cpu, Op* op)
    {
        cpu.S->Fsw &= (ushort)~FpuStatus.Top;
        cpu.S->Ftw = ushort.MaxValue;
        return true;
    }

    private static ulong Get(Cpu cpu, int register) => CpuState.Fpu(cpu.S)[2 * register];

    /// <summary>Writes an MM register; sign and exponent become ones.</summary>
    private static bool Set(Cpu cpu, Op* op, ulong value)
    {
        ulong* register = CpuState.Fpu(cpu.S) + (2 * op->A);
        register[0] = value;
        register[1] = ushort.MaxValue;
        return Enter(cpu, op);
    }

    private static ulong SourceOf(Cpu cpu, Op* op) => op->B == Memory ? CpuState.Xmm(cpu.S)[Memory].AsUInt64().ToScalar() : Get(cpu, op->B);

    /// <summary>Runs the SSE handler on two slots.</summary>
    private static bool Run(Cpu cpu, Op* op, byte a, byte b)
    {
        Op inner = default;
        inner.A = a;
        inner.B = b;
        inner.Imm = op->C;
        return ((delegate*<Cpu, Op*, bool>)op->Imm)(cpu, &inner);
    }

    private static bool Run(Cpu cpu, Op* op, Vector128<ulong> a, Vector128<ulong> b, int resultHalf)
    {
        Vector128<byte>* slots = CpuState.Xmm(cpu.S);
        slots[CpuState.XmmSpare] = a.AsByte();
        slots[CpuState.XmmTemp] = b.AsByte();
        return Run(cpu, op, CpuState.XmmSpare, CpuState.XmmTemp) && Set(cpu, op, slots[CpuState.XmmSpare].AsUInt64().GetElement(resultHalf));
    }

    public static bool Lanes(Cpu cpu, Op* op) => Run(cpu, op, Vector128.CreateScalar(Get(cpu, op->A)), Vector128.CreateScalar(SourceOf(cpu, op)), 0);

    public static bool High(Cpu cpu, Op* op) => Run(cpu, op, Vector128.CreateScalar(Get(cpu, op->A)), Vector128.CreateScalar(SourceOf(cpu, op)), 1);

    public static bool Joined(Cpu cpu, Op* op)
    {
        Vector128<ulong> both = Vector128.Create(Get(cpu, op->A), SourceOf(cpu, op));
        return Run(cpu, op, both, both, 0);
    }

    public static bool Indexed(Cpu cpu, Op* op)
    {
        const ulong SignsAndIndices = 0x8787878787878787;
        return Run(cpu, op, Vector128.CreateScalar(Get(cpu, op->A)), Vector128.CreateScalar(SourceOf(cpu, op) & SignsAndIndices), 0);
    }

    public static bool Aligned(Cpu cpu, Op* op)
    {
        Vector128<ulong> both = Vector128.Create(SourceOf(cpu, op), Get(cpu, op->A));
        return Set(cpu, op, SseMoves.ShiftRight(both.AsByte(), op->C).AsUInt64().ToScalar());
    }

    // ---- moves -------------------------------------------------------------------------------------------------------------------------

    /// <summary>MM register A = general register B, Size bytes of it.</summary>
    public static bool FromGeneral(Cpu cpu, Op* op) => Set(cpu, op, op->Size == sizeof(ulong) ? cpu.S->R[op->B] : (uint)cpu.S->R[op->B]);

    /// <summary>MM register A = MM register B.</summary>
    public static bool Move(Cpu cpu, Op* op) => Set(cpu, op, Get(cpu, op->B));

    /// <summary>General register A = MM register B, before a store that may still fault.</summary>
    public static bool Peek(Cpu cpu, Op* op)
    {
        cpu.S->R[op->A] = Get(cpu, op->B);
        return true;
    }

    /// <summary>General register A = MM register B, Size bytes of it.</summary>
    public static bool ToGeneral(Cpu cpu, Op* op)
    {
        ulong value = Get(cpu, op->B);
        cpu.S->R[op->A] = op->Size == sizeof(ulong) ? value : (uint)value;
        return Enter(cpu, op);
    }

    public static bool Pinsrw(Cpu cpu, Op* op)
        => Set(cpu, op, Vector64.CreateScalar(Get(cpu, op->A)).AsUInt16().WithElement(op->C & 3, (ushort)cpu.S->R[op->B]).AsUInt64().ToScalar());

    public static bool Pextrw(Cpu cpu, Op* op)
    {
        cpu.S->R[op->A] = Vector64.CreateScalar(Get(cpu, op->B)).AsUInt16().GetElement(op->C & 3);
        return Enter(cpu, op);
    }

    public static bool Pmovmskb(Cpu cpu, Op* op)
    {
        cpu.S->R[op->A] = Vector128.CreateScalar(Get(cpu, op->B)).AsByte().ExtractMostSignificantBits();
        return Enter(cpu, op);
    }

    /// <summary>Lays out value A and mask B of a masked store.</summary>
    public static bool LayOutPair(Cpu cpu, Op* op)
    {
        CpuState.Xmm(cpu.S)[CpuState.XmmSpare] = Vector128.CreateScalar(Get(cpu, op->A)).AsByte();
        CpuState.Xmm(cpu.S)[CpuState.XmmTemp] = Vector128.CreateScalar(Get(cpu, op->B)).AsByte();
        return true;
    }

    // ---- between MM and XMM registers ----------------------------------------------------------------------------------------------------

    // Also a conversion that raises #XM has made the registers MMX ones.

    /// <summary>XMM slot A from MM register B.</summary>
    public static bool ToXmm(Cpu cpu, Op* op)
    {
        CpuState.Xmm(cpu.S)[CpuState.XmmTemp] = Vector128.CreateScalar(Get(cpu, op->B)).AsByte();
        return Enter(cpu, op) && Run(cpu, op, op->A, CpuState.XmmTemp);
    }

    /// <summary>MM register A from XMM slot B.</summary>
    public static bool FromXmm(Cpu cpu, Op* op)
        => Enter(cpu, op) && Run(cpu, op, CpuState.XmmSpare, op->B) && Set(cpu, op, CpuState.Xmm(cpu.S)[CpuState.XmmSpare].AsUInt64().ToScalar());
}
