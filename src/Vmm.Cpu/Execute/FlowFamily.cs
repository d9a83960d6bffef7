using Iced.Intel;
using Vmm.Cpu.Decode;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Execute;

/// <summary>
/// Near control flow and stack instructions that are not in the interpreter's switch: the rarer 64-bit forms, and all of them in 16 and 32-bit code.
/// Size is the operand size in bytes.
/// </summary>
internal static unsafe class FlowFamily
{
    /// <summary>64-bit code: what the switch does not do.</summary>
    public static bool TryEmit(Emitter e, in Instruction i)
    {
        switch (i.Mnemonic)
        {
            case Mnemonic.Loop:
            case Mnemonic.Loope:
            case Mnemonic.Loopne:
            case Mnemonic.Jrcxz:
            case Mnemonic.Jecxz:
            case Mnemonic.Jcxz:
                EmitLoop(e, i);
                return true;
            case Mnemonic.Push: return EmitPush(e, i);
            case Mnemonic.Pop: return EmitPop(e, i);
            case Mnemonic.Pushf:
            case Mnemonic.Pushfd:
            case Mnemonic.Pushfq:
                e.Handler(&PushFlags, size: StackSize(i));
                return true;
            case Mnemonic.Popf:
            case Mnemonic.Popfd:
            case Mnemonic.Popfq:
                e.EndHandler(&PopFlags, size: StackSize(i));
                return true;
            case Mnemonic.Enter:
                e.Handler(&Enter, b: i.Immediate8_2nd, imm: i.Immediate16, size: StackSize(i));
                return true;
            case Mnemonic.Leave:
                e.Handler(&Leave, size: StackSize(i));
                return true;
            case Mnemonic.Jmp:
                return EmitNear(e, i, &JumpNear) || EmitFar(e, i, &FarTransfer.Jump);
            case Mnemonic.Call:
                return EmitNear(e, i, &CallNear) || EmitFar(e, i, &FarTransfer.Call);
            case Mnemonic.Ret:
                e.EndHandler(&ReturnNear, imm: i.OpCount == 1 ? i.Immediate16 : 0, size: StackSize(i));
                return true;
            case Mnemonic.Retf:
                e.EndHandler(&FarTransfer.Return, imm: i.OpCount == 1 ? i.Immediate16 : 0, size: StackSize(i));
                return true;
            case Mnemonic.Iret:
            case Mnemonic.Iretd:
            case Mnemonic.Iretq:
                e.EndHandler(&FarTransfer.InterruptReturn, size: StackSize(i));
                return true;
            default:
                return false;
        }
    }

    /// <summary>16 and 32-bit code.</summary>
    public static bool TryEmitLegacy(Emitter e, in Instruction i)
    {
        switch (i.Mnemonic)
        {
            case Mnemonic.Pusha:
            case Mnemonic.Pushad:
                e.Handler(&PushAll, size: StackSize(i));
                return true;
            case Mnemonic.Popa:
            case Mnemonic.Popad:
                e.Handler(&PopAll, size: StackSize(i));
                return true;
            default:
                return TryEmit(e, i);
        }
    }

    public static void EmitLegacyJcc(Emitter e, in Instruction i, byte condition)
        => e.EndHandler(&Jcc, imm: Target(i), size: i.Op0Kind == OpKind.NearBranch16 ? 2 : 4, c: condition);

    /// <summary>A near branch's target as a distance from the block's start.</summary>
    private static long Target(in Instruction i) => i.Op0Kind switch
    {
        OpKind.NearBranch16 => i.NearBranch16,
        OpKind.NearBranch32 => (int)i.NearBranch32,
        _ => (long)i.NearBranch64,
    };

    private static int BranchSize(in Instruction i) => i.Op0Kind switch { OpKind.NearBranch16 => 2, OpKind.NearBranch32 => 4, _ => 8 };

    private static int StackSize(in Instruction i)
    {
        int bytes = i.StackPointerIncrement;
        return i.Code switch
        {
            Code.Pushfw or Code.Popfw or Code.Leavew or Code.Enterw_imm16_imm8 or Code.Retnw or Code.Retnw_imm16 or Code.Retfw or Code.Retfw_imm16 or Code.Iretw
                or Code.Pushaw or Code.Popaw => 2,
            Code.Pushfd or Code.Popfd or Code.Leaved or Code.Enterd_imm16_imm8 or Code.Retnd or Code.Retnd_imm16 or Code.Retfd or Code.Retfd_imm16 or Code.Iretd
                or Code.Pushad or Code.Popad => 4,
            Code.Pushfq or Code.Popfq or Code.Leaveq or Code.Enterq_imm16_imm8 or Code.Retnq or Code.Retnq_imm16 or Code.Retfq or Code.Retfq_imm16 or Code.Iretq => 8,
            _ => Math.Abs(bytes),
        };
    }

    private static void EmitLoop(Emitter e, in Instruction i)
    {
        bool is16 = i.Code is Code.Loop_rel8_16_CX or Code.Loop_rel8_32_CX or Code.Loope_rel8_16_CX or Code.Loope_rel8_32_CX or Code.Loopne_rel8_16_CX or Code.Loopne_rel8_32_CX
            or Code.Jcxz_rel8_16 or Code.Jcxz_rel8_32;
        bool is64 = i.Code is Code.Loop_rel8_16_RCX or Code.Loop_rel8_64_RCX or Code.Loope_rel8_16_RCX or Code.Loope_rel8_64_RCX or Code.Loopne_rel8_16_RCX
            or Code.Loopne_rel8_64_RCX or Code.Jrcxz_rel8_16 or Code.Jrcxz_rel8_64;
        int counter = is16 ? 2 : is64 ? 8 : 4;
        int kind = i.Mnemonic switch { Mnemonic.Loop => 0, Mnemonic.Loope => 1, Mnemonic.Loopne => 2, _ => 3 };
        e.EndHandler(&Loop, a: counter, b: kind, imm: Target(i), size: BranchSize(i));
    }

    private static bool EmitPush(Emitter e, in Instruction i)
    {
        int size = StackSize(i);
        OpKind kind = i.Op0Kind;
        if (kind == OpKind.Register && i.Op0Register.IsSegmentRegister())
        {
            e.Handler(&SegmentFamily.ReadSelector, Reg.T0, Emitter.SegmentIndex(i.Op0Register));
            e.Handler(&Push, b: Reg.T0, size: size);
            return true;
        }

        if (kind is OpKind.Register or OpKind.Memory)
        {
            e.Handler(&Push, b: e.Source(i, 0), size: size);
            return true;
        }

        e.Handler(&PushImmediate, imm: (long)i.GetImmediate(0), size: size);
        return true;
    }

    private static bool EmitPop(Emitter e, in Instruction i)
    {
        int size = StackSize(i);
        if (i.Op0Kind == OpKind.Register && i.Op0Register.IsSegmentRegister())
        {
            e.EndHandler(&PopSegment, a: Emitter.SegmentIndex(i.Op0Register), size: size);
            return true;
        }

        if (i.Op0Kind == OpKind.Register)
        {
            e.Handler(&Pop, a: Emitter.Gpr(i.Op0Register), size: size);
            return true;
        }

        // The address is formed with RSP after the pop; RSP itself moves only when the store has gone well.
        Instruction popped = i;
        if (i.MemoryBase is Register.RSP or Register.ESP) popped.MemoryDisplacement64 += (ulong)size;
        e.Handler(&Peek, a: Reg.T0, size: size);
        e.MemoryHandler(&StorePopped, popped, size, true, a: Reg.T0, size: size);
        return true;
    }

    private static bool EmitNear(Emitter e, in Instruction i, delegate*<Cpu, Op*, bool> handler)
    {
        if (i.Op0Kind is OpKind.NearBranch16 or OpKind.NearBranch32 or OpKind.NearBranch64)
        {
            e.EndHandler(handler, b: Reg.BlockRip, imm: Target(i), size: BranchSize(i));
            return true;
        }

        bool isFar = i.Op0Kind is OpKind.FarBranch16 or OpKind.FarBranch32 || i.IsJmpFarIndirect || i.IsCallFarIndirect;
        if (isFar) return false;
        int size = Emitter.OperandSize(i, 0);
        e.EndHandler(handler, b: e.Source(i, 0), size: size);
        return true;
    }

    private static bool EmitFar(Emitter e, in Instruction i, delegate*<Cpu, Op*, bool> handler)
    {
        if (i.Op0Kind is OpKind.FarBranch16 or OpKind.FarBranch32)
        {
            bool wide = i.Op0Kind == OpKind.FarBranch32;
            e.Add(OpCode.MovRI, Reg.T0, imm: wide ? i.FarBranch32 : i.FarBranch16);
            e.Add(OpCode.MovRI, Reg.T1, imm: i.FarBranchSelector);
            e.EndHandler(handler, size: wide ? 4 : 2);
            return true;
        }

        int size = i.MemorySize switch { MemorySize.SegPtr16 => 2, MemorySize.SegPtr32 => 4, _ => 8 };
        e.MemoryHandler(&FarTransfer.LoadPointer, i, size + 2, false, size: size);
        e.EndHandler(handler, size: size);
        return true;
    }

    // ---- handlers ----------------------------------------------------------------------------------------------------------------------

    public static bool Push(Cpu cpu, Op* op) => PushValue(cpu, op->Size, cpu.S->R[op->B]);

    public static bool PushImmediate(Cpu cpu, Op* op) => PushValue(cpu, op->Size, (ulong)op->Imm);

    private static bool PushValue(Cpu cpu, int size, ulong value)
    {
        StackCursor stack = new(cpu);
        if (!stack.Push(size, value)) return false;
        stack.Commit();
        return true;
    }

    /// <summary>POP into register A.</summary>
    public static bool Pop(Cpu cpu, Op* op)
    {
        StackCursor stack = new(cpu);
        if (!stack.Pop(op->Size, out ulong value)) return false;
        stack.Commit();
        IntegerFamily.Put(cpu.S, op->A, op->Size, value);
        return true;
    }

    /// <summary>POP to memory, first half: the top of the stack into R[A].</summary>
    public static bool Peek(Cpu cpu, Op* op)
    {
        StackCursor stack = new(cpu);
        if (!stack.Pop(op->Size, out ulong value)) return false;
        cpu.S->R[op->A] = value;
        return true;
    }

    /// <summary>POP to memory, second half: R[A] to the address, then RSP moves.</summary>
    public static bool StorePopped(Cpu cpu, Op* op)
    {
        if (!cpu.Mem.TryWrite(cpu.LinearAddress(op), op->Size, cpu.S->R[op->A])) return false;
        StackCursor stack = new(cpu);
        stack.Skip(op->Size);
        stack.Commit();
        return true;
    }

    public static bool PopSegment(Cpu cpu, Op* op)
    {
        StackCursor stack = new(cpu);
        if (!stack.Pop(op->Size, out ulong value)) return false;
        ulong rsp = cpu.S->R[Reg.Rsp];
        stack.Commit();
        if (!SegmentFamily.Load(cpu, op->A, (ushort)value))
        {
            cpu.S->R[Reg.Rsp] = rsp;
            return false;
        }

        if (op->A == Seg.Ss) cpu.BeginShadow(InterruptShadow.MovSs);
        return true;
    }

    public static bool PushFlags(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (VirtualIoplBlocks(s)) return cpu.RaiseGp();
        return PushValue(cpu, op->Size, Flags.Get(s) & ~(Rflags.RF | Rflags.VM));
    }

    public static bool PopFlags(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (VirtualIoplBlocks(s)) return cpu.RaiseGp();
        StackCursor stack = new(cpu);
        if (!stack.Pop(op->Size, out ulong value)) return false;
        stack.Commit();
        LoadFlags(cpu, (uint)value, op->Size, Rflags.VM | Rflags.VIF | Rflags.VIP | Rflags.RF);
        s->SystemFlags &= ~Rflags.RF;
        return true;
    }

    private static bool VirtualIoplBlocks(CpuState* s) => (s->SystemFlags & Rflags.VM) != 0 && (s->SystemFlags & Rflags.IOPL) != Rflags.IOPL;

    /// <summary>Loads RFLAGS with the rights of the current privilege level; <paramref name="keep"/> names bits that stay in any case.</summary>
    public static void LoadFlags(Cpu cpu, uint value, int size, uint keep)
    {
        CpuState* s = cpu.S;
        int iopl = (int)(s->SystemFlags & Rflags.IOPL) >> Rflags.IoplShift;
        uint changeable = Rflags.Status | Rflags.TF | Rflags.DF | Rflags.NT;
        if (size > 2) changeable |= Rflags.AC | Rflags.ID | Rflags.RF | Rflags.VM | Rflags.VIF | Rflags.VIP;
        if (s->Cpl <= iopl) changeable |= Rflags.IF;
        if (s->Cpl == 0) changeable |= Rflags.IOPL;
        changeable &= ~keep;
        uint flags = (Flags.Get(s) & ~changeable) | (value & changeable);
        Flags.SetStatus(s, flags);
        cpu.SetSystemFlags(flags & ~Rflags.Fixed);
    }

    public static bool PushAll(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        StackCursor stack = new(cpu);
        for (int register = 0; register < 8; register++)
        {
            if (!stack.Push(op->Size, s->R[register])) return false;
        }

        stack.Commit();
        return true;
    }

    public static bool PopAll(Cpu cpu, Op* op)
    {
        StackCursor stack = new(cpu);
        for (int register = 7; register >= 0; register--)
        {
            // As hosts do it, those before a fault have their values already: only the stack pointer is as it was.
            if (!stack.Pop(op->Size, out ulong value)) return false;
            if (register != Reg.Rsp) IntegerFamily.Put(cpu.S, register, op->Size, value);
        }

        stack.Commit();
        return true;
    }

    public static bool Enter(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        int size = op->Size, level = op->B & 31;
        StackCursor stack = new(cpu);
        if (!stack.Push(size, s->R[Reg.Rbp])) return false;
        ulong frame = stack.Pointer;
        ulong mask = cpu.Is64 ? ulong.MaxValue : (s->Mode & CpuMode.BigStack) != 0 ? uint.MaxValue : 0xffffu;
        ulong rbp = s->R[Reg.Rbp];
        for (int i = 1; i < level; i++)
        {
            rbp = ((rbp - (uint)size) & mask) | (rbp & ~mask);
            ulong offset = rbp & mask;
            if (!cpu.Is64 && !AddressFamily.Check(cpu, Seg.Ss, (uint)offset, size, false)) return false;
            ulong linear = cpu.Is64 ? offset : (offset + s->R[Reg.SegmentBase + Seg.Ss]) & uint.MaxValue;
            if (!cpu.Mem.TryRead(linear, size, out ulong display, true) || !stack.Push(size, display)) return false;
        }

        if (level > 0 && !stack.Push(size, frame)) return false;
        ulong top = stack.Pointer - (ulong)op->Imm;
        top = (top & mask) | (stack.Pointer & ~mask);
        // The new top must be writable, or the frame would be lost with the next push.
        ulong topLinear = cpu.Is64 ? top : ((top & mask) + s->R[Reg.SegmentBase + Seg.Ss]) & uint.MaxValue;
        if (!cpu.Mem.TryProbeWrite(topLinear, 1, true)) return false;
        s->R[Reg.Rsp] = mask == uint.MaxValue ? (uint)top : top;
        IntegerFamily.Put(s, Reg.Rbp, size, frame);
        return true;
    }

    public static bool Leave(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ulong rsp = s->R[Reg.Rsp];
        s->R[Reg.Rsp] = cpu.Is64 ? s->R[Reg.Rbp] : (s->Mode & CpuMode.BigStack) != 0 ? (uint)s->R[Reg.Rbp] : (rsp & ~0xffffUL) | (ushort)s->R[Reg.Rbp];
        StackCursor stack = new(cpu);
        if (!stack.Pop(op->Size, out ulong value))
        {
            s->R[Reg.Rsp] = rsp;
            return false;
        }

        stack.Commit();
        IntegerFamily.Put(s, Reg.Rbp, op->Size, value);
        return true;
    }

    /// <summary>Sets RIP to a target of <paramref name="size"/> bytes, within CS's limit or canonical.</summary>
    public static bool GoTo(Cpu cpu, ulong target, int size)
    {
        CpuState* s = cpu.S;
        target = IntegerFamily.Trim(target, size);
        if (cpu.Is64)
        {
            if ((long)(target << 16) >> 16 != (long)target) return cpu.RaiseGp();
        }
        else if (target > CpuState.Segments(s)[Seg.Cs].Limit)
        {
            return cpu.RaiseGp();
        }

        s->Rip = target;
        return true;
    }

    /// <summary>Where a step's branch goes: R[B] + Imm.</summary>
    private static ulong BranchTarget(Cpu cpu, Op* op) => cpu.S->R[op->B] + (ulong)op->Imm;

    public static bool Jcc(Cpu cpu, Op* op)
        => !Flags.Condition(cpu.S, op->C) || GoTo(cpu, cpu.S->R[Reg.BlockRip] + (ulong)op->Imm, op->Size);

    public static bool JumpNear(Cpu cpu, Op* op) => GoTo(cpu, BranchTarget(cpu, op), op->Size);

    public static bool CallNear(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ulong back = s->Rip;
        StackCursor stack = new(cpu);
        if (!stack.Push(op->Size, back) || !GoTo(cpu, BranchTarget(cpu, op), op->Size)) return false;
        stack.Commit();
        return true;
    }

    public static bool ReturnNear(Cpu cpu, Op* op)
    {
        StackCursor stack = new(cpu);
        if (!stack.Pop(op->Size, out ulong target) || !GoTo(cpu, target, op->Size)) return false;
        stack.Skip((ulong)op->Imm);
        stack.Commit();
        return true;
    }

    /// <summary>LOOP, LOOPE, LOOPNE (B = 0, 1, 2) and JCXZ (3); A is the counter's size.</summary>
    public static bool Loop(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ulong count = IntegerFamily.Trim(s->R[Reg.Rcx], op->A);
        ulong target = s->R[Reg.BlockRip] + (ulong)op->Imm;
        if (op->B == 3) return count != 0 || GoTo(cpu, target, op->Size);
        ulong next = IntegerFamily.Trim(count - 1, op->A);
        bool taken = next != 0 && (op->B == 0 || Flags.ZF(s) == (op->B == 1));
        if (taken && !GoTo(cpu, target, op->Size)) return false;
        IntegerFamily.Put(s, Reg.Rcx, op->A, next);
        return true;
    }
}
