using Vmm.Core.Hypervisor;
using Vmm.Cpu.Decode;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Execute;

/// <summary>
/// Far jumps, calls and returns, IRET, SYSCALL and SYSENTER with their returns (Intel SDM vol. 3 §5.8, vol. 2). Task switches are not
/// implemented: a task gate or TSS as the target is #GP.
/// </summary>
internal static unsafe class FarTransfer
{
    /// <summary>T0 = offset, T1 = selector of the far pointer at the address.</summary>
    public static bool LoadPointer(Cpu cpu, Op* op)
    {
        ulong linear = cpu.LinearAddress(op);
        return cpu.Mem.TryRead(linear, op->Size, out cpu.S->R[Reg.T0]) && cpu.Mem.TryRead(linear + op->Size, 2, out cpu.S->R[Reg.T1]);
    }

    /// <summary>Far JMP to T1:T0.</summary>
    public static bool Jump(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ushort selector = (ushort)s->R[Reg.T1];
        ulong offset = IntegerFamily.Trim(s->R[Reg.T0], op->Size);
        if (SegmentFamily.IsReal(s)) return RealTransfer(cpu, selector, offset);
        if (!ReadTarget(cpu, selector, out Descriptor d)) return false;
        if (!d.IsSystem) return CheckDirect(cpu, selector, d) && Enter(cpu, selector, d, offset, s->Cpl);
        if (!ReadGate(cpu, selector, d, out ushort target, out ulong entry, out Descriptor code, out _)) return false;
        if (!code.IsConforming && code.Dpl != s->Cpl) return cpu.Raise(Vector.GP, (uint)(target & ~SegmentFamily.RplMask));
        return Enter(cpu, target, code, entry, s->Cpl);
    }

    /// <summary>Far CALL to T1:T0.</summary>
    public static bool Call(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ushort selector = (ushort)s->R[Reg.T1], back = CpuState.Segments(s)[Seg.Cs].Selector;
        ulong offset = IntegerFamily.Trim(s->R[Reg.T0], op->Size), next = s->Rip;
        if (SegmentFamily.IsReal(s))
        {
            StackCursor real = new(cpu);
            if (!real.Push(op->Size, back) || !real.Push(op->Size, next) || !RealTransfer(cpu, selector, offset)) return false;
            real.Commit();
            return true;
        }

        if (!ReadTarget(cpu, selector, out Descriptor d)) return false;
        if (!d.IsSystem)
        {
            if (!CheckDirect(cpu, selector, d)) return false;
            StackCursor stack = new(cpu);
            if (!stack.Push(op->Size, back) || !stack.Push(op->Size, next)) return false;
            ulong pointer = stack.Pointer;
            bool was64 = cpu.Is64;
            if (!Enter(cpu, selector, d, offset, s->Cpl)) return false;
            s->R[Reg.Rsp] = was64 || (s->Mode & CpuMode.BigStack) == 0 ? pointer : (uint)pointer;
            return true;
        }

        return CallGate(cpu, selector, d, back, next);
    }

    /// <summary>Far RET, with Imm bytes of arguments released.</summary>
    public static bool Return(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        StackCursor stack = new(cpu);
        if (!stack.Pop(op->Size, out ulong rip) || !stack.Pop(op->Size, out ulong cs)) return false;
        ushort selector = (ushort)cs;
        if (SegmentFamily.IsReal(s))
        {
            if (!RealTransfer(cpu, selector, rip)) return false;
            stack.Skip((ulong)op->Imm);
            stack.Commit();
            return true;
        }

        if (!CheckReturn(cpu, selector, out Descriptor code)) return false;
        stack.Skip((ulong)op->Imm);
        int rpl = selector & SegmentFamily.RplMask;
        if (rpl == s->Cpl)
        {
            if (!Enter(cpu, selector, code, rip, rpl)) return false;
            stack.Commit();
            return true;
        }

        if (!stack.Pop(op->Size, out ulong rsp) || !stack.Pop(op->Size, out ulong ss)) return false;
        if (!ReturnOutward(cpu, selector, code, rip, (ushort)ss, rsp, op->Size)) return false;
        StackCursor outer = new(cpu);
        outer.Skip((ulong)op->Imm);
        outer.Commit();
        return true;
    }

    /// <summary>IRET.</summary>
    public static bool InterruptReturn(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        int size = op->Size;
        if (!SegmentFamily.IsReal(s) && (s->SystemFlags & Rflags.NT) != 0) return cpu.RaiseGp();
        if ((s->SystemFlags & Rflags.VM) != 0 && (s->SystemFlags & Rflags.IOPL) != Rflags.IOPL) return cpu.RaiseGp();
        StackCursor stack = new(cpu);
        if (!stack.Pop(size, out ulong rip) || !stack.Pop(size, out ulong cs) || !stack.Pop(size, out ulong flags)) return false;
        ushort selector = (ushort)cs;
        if (SegmentFamily.IsReal(s))
        {
            if (!RealTransfer(cpu, selector, rip)) return false;
            stack.Commit();
            uint keep = Rflags.VM | Rflags.VIF | Rflags.VIP;
            if ((s->SystemFlags & Rflags.VM) != 0) keep |= Rflags.IOPL;
            FlowFamily.LoadFlags(cpu, (uint)flags, size, keep);
            cpu.UnblockNmi();
            return true;
        }

        bool isLong = SegmentFamily.IsLong(s);
        if (!isLong && (flags & Rflags.VM) != 0 && s->Cpl == 0 && size == 4) return ReturnToVirtual8086(cpu, ref stack, rip, selector, (uint)flags);
        if (!CheckReturn(cpu, selector, out Descriptor code)) return false;
        int rpl = selector & SegmentFamily.RplMask, oldCpl = s->Cpl;
        uint flagsKept = Rflags.VM | (oldCpl == 0 ? 0 : Rflags.VIF | Rflags.VIP);
        uint oldFlags = s->SystemFlags;
        if (rpl == oldCpl && !cpu.Is64)
        {
            if (!Enter(cpu, selector, code, rip, rpl)) return false;
            stack.Commit();
        }
        else
        {
            // 64-bit IRET always takes the stack with it.
            if (!stack.Pop(size, out ulong rsp) || !stack.Pop(size, out ulong ss)) return false;
            if (!ReturnOutward(cpu, selector, code, rip, (ushort)ss, rsp, size)) return false;
        }

        ApplyFlags(cpu, (uint)flags, size, oldCpl, (int)(oldFlags & Rflags.IOPL) >> Rflags.IoplShift, flagsKept);
        cpu.UnblockNmi();
        return true;
    }

    // The rights are those of the level that executes IRET, not of the one it returns to.
    private static void ApplyFlags(Cpu cpu, uint value, int size, int cpl, int iopl, uint keep)
    {
        uint changeable = Rflags.Status | Rflags.TF | Rflags.DF | Rflags.NT;
        if (size > 2) changeable |= Rflags.RF | Rflags.AC | Rflags.ID | Rflags.VIF | Rflags.VIP;
        if (cpl <= iopl) changeable |= Rflags.IF;
        if (cpl == 0) changeable |= Rflags.IOPL;
        changeable &= ~keep;
        uint flags = (Flags.Get(cpu.S) & ~changeable) | (value & changeable);
        Flags.SetStatus(cpu.S, flags);
        cpu.SetSystemFlags(flags & ~Rflags.Fixed);
        // RF lasts for one instruction. Where nobody would look at it then, it is over now.
        if ((cpu.S->Pending & (int)Pending.SingleStep) == 0) cpu.S->SystemFlags &= ~Rflags.RF;
    }

    private static bool ReturnToVirtual8086(Cpu cpu, ref StackCursor stack, ulong rip, ushort cs, uint flags)
    {
        CpuState* s = cpu.S;
        ulong* values = stackalloc ulong[6];
        for (int i = 0; i < 6; i++)
        {
            if (!stack.Pop(4, out values[i])) return false;
        }

        SegmentCache* segments = CpuState.Segments(s);
        Flags.SetStatus(s, flags);
        s->Cpl = 3;
        s->SystemFlags |= Rflags.VM;
        cpu.SetSystemFlags((flags | Rflags.VM) & ~(Rflags.Fixed | Rflags.Status));
        cpu.UpdateMode();
        s->R[Reg.Rsp] = (uint)values[0];
        (int Segment, ulong Selector)[] loads = [(Seg.Cs, cs), (Seg.Ss, values[1]), (Seg.Es, values[2]), (Seg.Ds, values[3]), (Seg.Fs, values[4]), (Seg.Gs, values[5])];
        foreach ((int segment, ulong selector) in loads)
        {
            SegmentFamily.SetReal(cpu, segment, (ushort)selector);
            SegmentFamily.SetVirtual8086(ref segments[segment]);
        }

        s->Rip = (ushort)rip;
        cpu.UpdateMode();
        cpu.UnblockNmi();
        return true;
    }

    // ---- parts ------------------------------------------------------------------------------------------------------------------------

    private static bool RealTransfer(Cpu cpu, ushort selector, ulong offset)
    {
        CpuState* s = cpu.S;
        if (offset > CpuState.Segments(s)[Seg.Cs].Limit) return cpu.RaiseGp();
        CpuState.Segments(s)[Seg.Cs].Selector = selector;
        s->R[Reg.SegmentBase + Seg.Cs] = (ulong)selector << 4;
        s->Rip = offset;
        return true;
    }

    private static bool ReadTarget(Cpu cpu, ushort selector, out Descriptor d)
    {
        d = default;
        if ((selector & ~SegmentFamily.RplMask) == 0) return cpu.RaiseGp();
        return SegmentFamily.TryRead(cpu, selector, Vector.GP, out d);
    }

    private static bool CheckDirect(Cpu cpu, ushort selector, in Descriptor d)
    {
        CpuState* s = cpu.S;
        uint error = (uint)(selector & ~SegmentFamily.RplMask);
        bool ok = d.IsCode && (d.IsConforming ? d.Dpl <= s->Cpl : (selector & SegmentFamily.RplMask) <= s->Cpl && d.Dpl == s->Cpl);
        if (!ok || (SegmentFamily.IsLong(s) && d.IsLong && d.IsBig)) return cpu.Raise(Vector.GP, error);
        return d.Present || cpu.Raise(Vector.NP, error);
    }

    /// <summary>Loads CS with privilege <paramref name="cpl"/> and goes to an offset; everything else was checked.</summary>
    public static bool Enter(Cpu cpu, ushort selector, in Descriptor code, ulong offset, int cpl)
    {
        CpuState* s = cpu.S;
        bool to64 = SegmentFamily.IsLong(s) && code.IsLong;
        if (to64 ? (long)(offset << 16) >> 16 != (long)offset : offset > code.Limit) return cpu.RaiseGp();
        if (!SegmentFamily.SetAccessed(cpu, code)) return false;
        s->Cpl = (byte)cpl;
        SegmentFamily.Set(cpu, Seg.Cs, (ushort)((selector & ~SegmentFamily.RplMask) | cpl), code);
        s->Rip = offset;
        return true;
    }

    private static bool ReadGate(Cpu cpu, ushort selector, in Descriptor gate, out ushort target, out ulong entry, out Descriptor code, out bool is16)
    {
        CpuState* s = cpu.S;
        bool isLong = SegmentFamily.IsLong(s);
        uint error = (uint)(selector & ~SegmentFamily.RplMask);
        target = gate.GateSelector;
        entry = gate.GateOffset32;
        code = default;
        is16 = gate.Type == Descriptor.CallGate16;
        bool callGate = gate.Type == Descriptor.CallGate32 || (gate.Type == Descriptor.CallGate16 && !isLong);
        if (!callGate || gate.Dpl < s->Cpl || gate.Dpl < (selector & SegmentFamily.RplMask)) return cpu.Raise(Vector.GP, error);
        if (!gate.Present) return cpu.Raise(Vector.NP, error);
        if (is16) entry &= 0xffff;
        if (isLong)
        {
            if (!SegmentFamily.TryRead(cpu, selector, Vector.GP, out Descriptor wide, wide: true)) return false;
            entry = wide.GateOffset64;
        }

        if ((target & ~SegmentFamily.RplMask) == 0) return cpu.RaiseGp();
        if (!SegmentFamily.TryRead(cpu, target, Vector.GP, out code)) return false;
        uint targetError = (uint)(target & ~SegmentFamily.RplMask);
        if (!code.IsCode || code.Dpl > s->Cpl || (isLong && (!code.IsLong || code.IsBig))) return cpu.Raise(Vector.GP, targetError);
        return code.Present || cpu.Raise(Vector.NP, targetError);
    }

    private static bool CallGate(Cpu cpu, ushort selector, in Descriptor gate, ushort backCs, ulong backRip)
    {
        CpuState* s = cpu.S;
        if (!ReadGate(cpu, selector, gate, out ushort target, out ulong entry, out Descriptor code, out bool is16)) return false;
        bool isLong = SegmentFamily.IsLong(s);
        int size = isLong ? 8 : is16 ? 2 : 4;
        if (code.IsConforming || code.Dpl == s->Cpl)
        {
            StackCursor same = new(cpu);
            if (!same.Push(size, backCs) || !same.Push(size, backRip) || !Enter(cpu, target, code, entry, s->Cpl)) return false;
            same.Commit();
            return true;
        }

        ushort oldSs = CpuState.Segments(s)[Seg.Ss].Selector;
        ulong oldRsp = s->R[Reg.Rsp];
        if (!Delivery.InnerStack(cpu, code.Dpl, 0, out StackCursor stack, out ushort newSs, out Descriptor ssDescriptor)) return false;
        int parameters = isLong ? 0 : gate.GateParameters;
        if (!stack.Push(size, oldSs) || !stack.Push(size, oldRsp)) return false;
        ulong mask = (s->Mode & CpuMode.BigStack) != 0 ? uint.MaxValue : 0xffffu;
        for (int i = parameters - 1; i >= 0; i--)
        {
            ulong from = (s->R[Reg.SegmentBase + Seg.Ss] + ((oldRsp + (uint)(i * size)) & mask)) & uint.MaxValue;
            if (!cpu.Mem.TryRead(from, size, out ulong parameter, true) || !stack.Push(size, parameter)) return false;
        }

        if (!stack.Push(size, backCs) || !stack.Push(size, backRip) || !Enter(cpu, target, code, entry, code.Dpl)) return false;
        Delivery.LoadInnerStack(cpu, newSs, ssDescriptor);
        stack.Commit();
        return true;
    }

    private static bool CheckReturn(Cpu cpu, ushort selector, out Descriptor code)
    {
        CpuState* s = cpu.S;
        code = default;
        if ((selector & ~SegmentFamily.RplMask) == 0) return cpu.RaiseGp();
        if (!SegmentFamily.TryRead(cpu, selector, Vector.GP, out code)) return false;
        uint error = (uint)(selector & ~SegmentFamily.RplMask);
        int rpl = selector & SegmentFamily.RplMask;
        bool ok = code.IsCode && rpl >= s->Cpl && (code.IsConforming ? code.Dpl <= rpl : code.Dpl == rpl);
        if (!ok || (SegmentFamily.IsLong(s) && code.IsLong && code.IsBig)) return cpu.Raise(Vector.GP, error);
        return code.Present || cpu.Raise(Vector.NP, error);
    }

    /// <summary>The rest of a return that takes the stack with it.</summary>
    private static bool ReturnOutward(Cpu cpu, ushort selector, in Descriptor code, ulong rip, ushort ss, ulong rsp, int size)
    {
        CpuState* s = cpu.S;
        int rpl = selector & SegmentFamily.RplMask;
        bool to64 = SegmentFamily.IsLong(s) && code.IsLong;
        Descriptor stackDescriptor = default;
        bool nullStack = (ss & ~SegmentFamily.RplMask) == 0;
        if (nullStack)
        {
            if (!to64 || rpl == 3 || (ss & SegmentFamily.RplMask) != rpl) return cpu.RaiseGp();
        }
        else
        {
            if (!SegmentFamily.TryRead(cpu, ss, Vector.GP, out stackDescriptor)) return false;
            uint error = (uint)(ss & ~SegmentFamily.RplMask);
            bool ok = (ss & SegmentFamily.RplMask) == rpl && !stackDescriptor.IsSystem && !stackDescriptor.IsCode && stackDescriptor.IsWritableOrReadable && stackDescriptor.Dpl == rpl;
            if (!ok) return cpu.Raise(Vector.GP, error);
            if (!stackDescriptor.Present) return cpu.Raise(Vector.SS, error);
            if (!SegmentFamily.SetAccessed(cpu, stackDescriptor)) return false;
        }

        bool outward = rpl > s->Cpl;
        if (!Enter(cpu, selector, code, rip, rpl)) return false;
        if (nullStack) SegmentFamily.SetNull(cpu, Seg.Ss, ss);
        else SegmentFamily.Set(cpu, Seg.Ss, ss, stackDescriptor);
        cpu.UpdateMode();
        ulong mask = cpu.Is64 ? ulong.MaxValue : (s->Mode & CpuMode.BigStack) != 0 ? uint.MaxValue : 0xffffu;
        s->R[Reg.Rsp] = mask == 0xffff ? (s->R[Reg.Rsp] & ~0xffffUL) | (rsp & 0xffff) : rsp & (size == 8 ? ulong.MaxValue : uint.MaxValue) & mask;
        if (outward) CloseData(cpu);
        return true;
    }

    // Data segments that the outer level may not use are emptied.
    private static void CloseData(Cpu cpu)
    {
        CpuState* s = cpu.S;
        SegmentCache* segments = CpuState.Segments(s);
        ReadOnlySpan<byte> data = [Seg.Es, Seg.Ds, Seg.Fs, Seg.Gs];
        foreach (byte segment in data)
        {
            ref SegmentCache cache = ref segments[segment];
            bool conforming = (cache.Attributes & (SegmentAttributes.Code | SegmentAttributes.ExpandDownOrConforming)) == (SegmentAttributes.Code | SegmentAttributes.ExpandDownOrConforming);
            if (cache.Is(SegmentAttributes.Unusable) || conforming || cache.Dpl >= s->Cpl) continue;
            SegmentFamily.SetNull(cpu, segment, 0);
        }
    }

    // ---- SYSCALL, SYSRET, SYSENTER, SYSEXIT -----------------------------------------------------------------------------------------------

    private static SegmentCache Flat(ushort selector, int dpl, bool code, bool longCode)
    {
        SegmentAttributes attributes = SegmentAttributes.Present | SegmentAttributes.S | SegmentAttributes.G | SegmentAttributes.Accessed
            | SegmentAttributes.WritableOrReadable | (SegmentAttributes)(dpl << 5);
        if (code) attributes |= SegmentAttributes.Code | (longCode ? SegmentAttributes.L : SegmentAttributes.DB);
        else attributes |= SegmentAttributes.DB;
        return new SegmentCache { Selector = selector, Limit = uint.MaxValue, Attributes = attributes };
    }

    private static void SetFlat(Cpu cpu, ushort codeSelector, ushort stackSelector, int cpl, bool longCode)
    {
        CpuState* s = cpu.S;
        SegmentCache* segments = CpuState.Segments(s);
        s->Cpl = (byte)cpl;
        segments[Seg.Cs] = Flat(codeSelector, cpl, true, longCode);
        segments[Seg.Ss] = Flat(stackSelector, cpl, false, false);
        s->R[Reg.SegmentBase + Seg.Cs] = 0;
        s->R[Reg.SegmentBase + Seg.Ss] = 0;
        cpu.UpdateMode();
    }

    public static bool Syscall(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if ((s->Efer & Efer.SCE) == 0 || (s->Cr0 & Cr0.PE) == 0) return cpu.RaiseUd();
        ushort selector = (ushort)(s->Star >> 32 & 0xfffc);
        ulong next = s->Rip;
        if (SegmentFamily.IsLong(s))
        {
            bool from64 = cpu.Is64;
            uint flags = Flags.Get(s) & ~Rflags.RF;
            s->R[Reg.Rcx] = next;
            s->R[11] = flags;
            uint kept = flags & ~(uint)s->Sfmask;
            SetFlat(cpu, selector, (ushort)(selector + 8), 0, longCode: true);
            s->Rip = from64 ? s->Lstar : s->Cstar;
            Flags.SetStatus(s, kept);
            cpu.SetSystemFlags(kept & ~Rflags.Fixed);
        }
        else
        {
            s->R[Reg.Rcx] = (uint)next;
            SetFlat(cpu, selector, (ushort)(selector + 8), 0, longCode: false);
            s->Rip = (uint)s->Star;
            cpu.SetSystemFlags(s->SystemFlags & ~(Rflags.IF | Rflags.VM | Rflags.RF));
        }

        return true;
    }

    /// <summary>SYSRET; Size 8 returns to 64-bit code.</summary>
    public static bool Sysret(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if ((s->Efer & Efer.SCE) == 0 || (s->Cr0 & Cr0.PE) == 0) return cpu.RaiseUd();
        if (s->Cpl != 0) return cpu.RaiseGp();
        ushort selector = (ushort)(s->Star >> 48 | 3);
        bool isLong = SegmentFamily.IsLong(s), to64 = op->Size == 8;
        ulong rip = to64 ? s->R[Reg.Rcx] : (uint)s->R[Reg.Rcx];
        uint flags = (uint)s->R[11];
        SetFlat(cpu, (ushort)(to64 ? selector + 16 : selector), (ushort)(selector + 8), 3, longCode: to64 && isLong);
        s->Rip = rip;
        if (isLong)
        {
            uint loaded = flags & ~(Rflags.RF | Rflags.VM);
            Flags.SetStatus(s, loaded);
            cpu.SetSystemFlags(loaded & (Rflags.TF | Rflags.IF | Rflags.DF | Rflags.IOPL | Rflags.NT | Rflags.AC | Rflags.VIF | Rflags.VIP | Rflags.ID));
        }
        else
        {
            cpu.SetSystemFlags(s->SystemFlags | Rflags.IF);
        }

        return true;
    }

    public static bool Sysenter(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        // On AMD processors it does not exist in long mode.
        if (SegmentFamily.IsLong(s)) return cpu.RaiseUd();
        if ((s->Cr0 & Cr0.PE) == 0 || (s->SysenterCs & 0xfffc) == 0) return cpu.RaiseGp();
        ushort selector = (ushort)(s->SysenterCs & 0xfffc);
        cpu.SetSystemFlags(s->SystemFlags & ~(Rflags.VM | Rflags.IF | Rflags.RF));
        SetFlat(cpu, selector, (ushort)(selector + 8), 0, longCode: false);
        s->R[Reg.Rsp] = (uint)s->SysenterEsp;
        s->Rip = (uint)s->SysenterEip;
        return true;
    }

    public static bool Sysexit(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (SegmentFamily.IsLong(s)) return cpu.RaiseUd();
        if ((s->Cr0 & Cr0.PE) == 0 || s->Cpl != 0 || (s->SysenterCs & 0xfffc) == 0) return cpu.RaiseGp();
        ushort selector = (ushort)(((s->SysenterCs & 0xfffc) + 16) | 3);
        SetFlat(cpu, selector, (ushort)(selector + 8), 3, longCode: false);
        s->Rip = (uint)s->R[Reg.Rdx];
        s->R[Reg.Rsp] = (uint)s->R[Reg.Rcx];
        return true;
    }
}
