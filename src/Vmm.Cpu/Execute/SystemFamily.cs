using Iced.Intel;
using Vmm.Core.Hypervisor;
using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Cpu.Decode;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Execute;

/// <summary>System instructions: control and debug registers, MSRs, CPUID, I/O, interrupts, HLT, cache and TLB control.</summary>
internal static unsafe class SystemFamily
{
    public static bool TryEmit(Cpu cpu, Emitter e, in Instruction i)
    {
        switch (i.Mnemonic)
        {
            case Mnemonic.Mov: return EmitMov(e, i);
            case Mnemonic.Lds: return EmitFarLoad(e, i, Seg.Ds);
            case Mnemonic.Les: return EmitFarLoad(e, i, Seg.Es);
            case Mnemonic.Lss: return EmitFarLoad(e, i, Seg.Ss);
            case Mnemonic.Lfs: return EmitFarLoad(e, i, Seg.Fs);
            case Mnemonic.Lgs: return EmitFarLoad(e, i, Seg.Gs);
            // Privilege is judged before the segment of the operand.
            case Mnemonic.Lgdt: e.Handler(&Privileged); e.MemoryHandler(&SegmentFamily.Lgdt, i, 6, false, size: TableSize(i), c: 0); return true;
            case Mnemonic.Lidt: e.Handler(&Privileged); e.MemoryHandler(&SegmentFamily.Lidt, i, 6, false, size: TableSize(i), c: 1); return true;
            case Mnemonic.Sgdt: e.MemoryHandler(&SegmentFamily.Sgdt, i, 6, true); return true;
            case Mnemonic.Sidt: e.MemoryHandler(&SegmentFamily.Sidt, i, 6, true); return true;
            case Mnemonic.Sldt: return EmitStoreSelector(e, i, 0);
            case Mnemonic.Str: return EmitStoreSelector(e, i, 1);
            case Mnemonic.Smsw: return EmitStoreSelector(e, i, 2);
            case Mnemonic.Lldt:
                e.Handler(&SegmentFamily.OpenSystemTable);
                e.Handler(&SegmentFamily.Lldt, b: e.Source(i, 0));
                return true;
            case Mnemonic.Ltr:
                e.Handler(&SegmentFamily.OpenSystemTable);
                e.Handler(&SegmentFamily.Ltr, b: e.Source(i, 0));
                return true;
            case Mnemonic.Lmsw:
                e.Handler(&Privileged);
                e.EndHandler(&Lmsw, b: e.Source(i, 0));
                return true;
            case Mnemonic.Lar: return EmitLarLsl(e, i, 0);
            case Mnemonic.Lsl: return EmitLarLsl(e, i, 1);
            case Mnemonic.Verr: e.Handler(&SegmentFamily.Verify, b: e.Source(i, 0), c: 0); return true;
            case Mnemonic.Verw: e.Handler(&SegmentFamily.Verify, b: e.Source(i, 0), c: 1); return true;
            case Mnemonic.Arpl:
                byte target = e.Source(i, 0);
                e.Handler(&SegmentFamily.Arpl, target, Emitter.Gpr(i.Op1Register));
                if (target == Reg.T0) e.Store(i, 0, Reg.T0);
                return true;
            case Mnemonic.Clts: e.EndHandler(&Clts); return true;
            case Mnemonic.Invlpg: e.Handler(&Privileged); e.MemoryHandler(&Invlpg, i, 1, false)->Code = OpCode.CallEnd; e.MarkEnded(); return true;
            case Mnemonic.Invd: case Mnemonic.Wbinvd: e.Handler(&Privileged); return true;
            case Mnemonic.Clflush: case Mnemonic.Clflushopt: case Mnemonic.Clwb: e.MemoryHandler(&Touch, i, 1, false); return true;
            case Mnemonic.Hlt: e.EndHandler(&Hlt); return true;
            case Mnemonic.Cli: e.Handler(&Cli); return true;
            case Mnemonic.Sti: e.EndHandler(&Sti); return true;
            case Mnemonic.Clac:
                if (!cpu.Features.Smap) return false;
                e.Handler(&Clac);
                return true;
            case Mnemonic.Stac:
                if (!cpu.Features.Smap) return false;
                e.Handler(&Stac);
                return true;
            case Mnemonic.In: return EmitIn(e, i);
            case Mnemonic.Out: return EmitOut(e, i);
            case Mnemonic.Int: e.EndHandler(&Interrupt, imm: i.Immediate8); return true;
            case Mnemonic.Int3: e.EndHandler(&Interrupt, imm: Vector.BP, c: 1); return true;
            case Mnemonic.Int1: e.EndHandler(&Int1); return true;
            case Mnemonic.Into:
                if (e.Is64) return false;
                e.EndHandler(&Into);
                return true;
            case Mnemonic.Cpuid: e.Handler(&CpuId); return true;
            case Mnemonic.Rdmsr: e.Handler(&Rdmsr); return true;
            case Mnemonic.Wrmsr: e.EndHandler(&Wrmsr); return true;
            case Mnemonic.Rdtsc: e.Handler(&Rdtsc); return true;
            case Mnemonic.Rdtscp:
                if (!cpu.Features.Rdtscp) return false;
                e.Handler(&Rdtsc, c: 1);
                return true;
            case Mnemonic.Swapgs:
                if (!e.Is64) return false;
                e.Handler(&Swapgs);
                return true;
            case Mnemonic.Rdfsbase:
            case Mnemonic.Rdgsbase:
            case Mnemonic.Wrfsbase:
            case Mnemonic.Wrgsbase:
                return cpu.Features.FsGsBase && EmitFsGsBase(e, i);
            case Mnemonic.Syscall: e.EndHandler(&FarTransfer.Syscall); return true;
            case Mnemonic.Sysret: case Mnemonic.Sysretq: e.EndHandler(&FarTransfer.Sysret, size: i.Code == Code.Sysretq ? 8 : 4); return true;
            case Mnemonic.Sysenter: e.EndHandler(&FarTransfer.Sysenter); return true;
            case Mnemonic.Sysexit: case Mnemonic.Sysexitq: e.EndHandler(&FarTransfer.Sysexit); return true;
            case Mnemonic.Vmcall: case Mnemonic.Vmmcall: e.Handler(&Hypercall); return true;
            default: return false;
        }
    }

    private static int TableSize(in Instruction i) => i.Code is Code.Lgdt_m1632_16 or Code.Lidt_m1632_16 ? 2 : 4;

    private static bool EmitMov(Emitter e, in Instruction i)
    {
        Register target = i.Op0Kind == OpKind.Register ? i.Op0Register : Register.None;
        Register source = i.Op1Kind == OpKind.Register ? i.Op1Register : Register.None;
        if (target.IsSegmentRegister())
        {
            if (target == Register.CS) return false;
            byte value = e.Source(i, 1);
            // The stack's and the code's mode may change with SS; the others only matter to address steps, which look when they run.
            e.EndHandler(&SegmentFamily.MovToSegment, a: Emitter.SegmentIndex(target), b: value);
            return true;
        }

        if (target is >= Register.CR0 and <= Register.CR15)
        {
            e.EndHandler(&WriteControl, a: target - Register.CR0, b: Emitter.Gpr(source));
            return true;
        }

        if (source is >= Register.CR0 and <= Register.CR15)
        {
            e.Handler(&ReadControl, a: Emitter.Gpr(target), b: source - Register.CR0);
            return true;
        }

        if (target is >= Register.DR0 and <= Register.DR15)
        {
            e.EndHandler(&WriteDebug, a: target - Register.DR0, b: Emitter.Gpr(source));
            return true;
        }

        if (source is >= Register.DR0 and <= Register.DR15)
        {
            e.Handler(&ReadDebug, a: Emitter.Gpr(target), b: source - Register.DR0);
            return true;
        }

        return false;
    }

    private static bool EmitFarLoad(Emitter e, in Instruction i, byte segment)
    {
        int size = Emitter.OperandSize(i, 0);
        e.MemoryHandler(&SegmentFamily.LoadFarPointer, i, size + 2, false, a: Emitter.Gpr(i.Op0Register), size: size, c: segment)->Code = OpCode.CallEnd;
        e.MarkEnded();
        return true;
    }

    private static bool EmitStoreSelector(Emitter e, in Instruction i, int which)
    {
        e.Handler(&SegmentFamily.ReadSystemSelector, a: Reg.T0, c: which);
        if (Emitter.IsMemory(i, 0)) e.Memory(OpCode.St16, i, 2, true, b: Reg.T0);
        else e.StoreRegister(i.Op0Register, Reg.T0);
        return true;
    }

    private static bool EmitLarLsl(Emitter e, in Instruction i, int which)
    {
        byte selector = Reg.T0;
        if (Emitter.IsMemory(i, 1)) e.LoadInto(i, 2, Reg.T0);
        else selector = Emitter.Gpr(i.Op1Register);
        e.Handler(&SegmentFamily.LarLsl, Emitter.Gpr(i.Op0Register), selector, size: Emitter.OperandSize(i, 0), c: which);
        return true;
    }

    private static bool EmitIn(Emitter e, in Instruction i)
    {
        bool immediate = i.Op1Kind == OpKind.Immediate8;
        e.Handler(&PortIn, b: immediate ? Reg.Zero : Reg.Rdx, imm: immediate ? i.Immediate8 : 0, size: i.Op0Register.GetSize());
        return true;
    }

    private static bool EmitOut(Emitter e, in Instruction i)
    {
        bool immediate = i.Op0Kind == OpKind.Immediate8;
        e.Handler(&PortOut, b: immediate ? Reg.Zero : Reg.Rdx, imm: immediate ? i.Immediate8 : 0, size: i.Op1Register.GetSize());
        return true;
    }

    private static bool EmitFsGsBase(Emitter e, in Instruction i)
    {
        bool write = i.Mnemonic is Mnemonic.Wrfsbase or Mnemonic.Wrgsbase;
        bool gs = i.Mnemonic is Mnemonic.Rdgsbase or Mnemonic.Wrgsbase;
        byte register = Emitter.Gpr(i.Op0Register);
        e.Handler(&FsGsBase, a: register, b: gs ? Reg.GsBase : Reg.FsBase, size: i.Op0Register.GetSize(), c: write ? 1 : 0);
        return true;
    }

    // ---- simple ------------------------------------------------------------------------------------------------------------------------

    /// <summary>Whatever is not implemented or not allowed: #UD.</summary>
    public static bool Undefined(Cpu cpu, Op* op) => cpu.RaiseUd();

    public static bool Mfence(Cpu cpu, Op* op)
    {
        Interlocked.MemoryBarrier();
        return true;
    }

    public static bool Privileged(Cpu cpu, Op* op) => cpu.S->Cpl == 0 || cpu.RaiseGp();

    /// <summary>CLFLUSH: faults like a load, does nothing.</summary>
    public static bool Touch(Cpu cpu, Op* op) => cpu.Mem.TryRead(cpu.LinearAddress(op), 1, out _);

    public static bool Clts(Cpu cpu, Op* op)
    {
        if (cpu.S->Cpl != 0) return cpu.RaiseGp();
        cpu.S->Cr0 &= ~Cr0.TS;
        cpu.UpdateMode();
        return true;
    }

    public static bool Invlpg(Cpu cpu, Op* op)
    {
        if (cpu.S->Cpl != 0) return cpu.RaiseGp();
        cpu.FlushPage(cpu.LinearAddress(op));
        return true;
    }

    public static bool Hlt(Cpu cpu, Op* op)
    {
        if (cpu.S->Cpl != 0) return cpu.RaiseGp();
        cpu.S->Activity = VcpuActivity.Halted;
        cpu.S->InterruptShadow = InterruptShadow.None;
        return false;
    }

    private static bool MayChangeIf(CpuState* s) => s->Cpl <= (s->SystemFlags & Rflags.IOPL) >> Rflags.IoplShift;

    public static bool Cli(Cpu cpu, Op* op)
    {
        if (!MayChangeIf(cpu.S)) return cpu.RaiseGp();
        cpu.S->SystemFlags &= ~Rflags.IF;
        return true;
    }

    public static bool Sti(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (!MayChangeIf(s)) return cpu.RaiseGp();
        if ((s->SystemFlags & Rflags.IF) != 0) return true;
        cpu.SetSystemFlags(s->SystemFlags | Rflags.IF);
        cpu.BeginShadow(InterruptShadow.Sti);
        return true;
    }

    public static bool Clac(Cpu cpu, Op* op)
    {
        if (cpu.S->Cpl != 0) return cpu.RaiseUd();
        cpu.S->SystemFlags &= ~Rflags.AC;
        cpu.UpdateTlbWay();
        return true;
    }

    public static bool Stac(Cpu cpu, Op* op)
    {
        if (cpu.S->Cpl != 0) return cpu.RaiseUd();
        cpu.S->SystemFlags |= Rflags.AC;
        cpu.UpdateTlbWay();
        return true;
    }

    public static bool Swapgs(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (s->Cpl != 0) return cpu.RaiseGp();
        (s->R[Reg.GsBase], s->KernelGsBase) = (s->KernelGsBase, s->R[Reg.GsBase]);
        return true;
    }

    public static bool FsGsBase(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if ((s->Cr4 & Cr4.FSGSBASE) == 0) return cpu.RaiseUd();
        if (op->C == 0)
        {
            s->R[op->A] = IntegerFamily.Trim(s->R[op->B], op->Size);
            return true;
        }

        ulong value = IntegerFamily.Trim(s->R[op->A], op->Size);
        if ((long)(value << 16) >> 16 != (long)value) return cpu.RaiseGp();
        s->R[op->B] = value;
        return true;
    }

    // ---- interrupts ----------------------------------------------------------------------------------------------------------------------

    /// <summary>INT n; C is 1 for INT3 by its own opcode.</summary>
    public static bool Interrupt(Cpu cpu, Op* op)
    {
        cpu.Fault = new Fault { Active = true, Vector = (byte)op->Imm, IsSoftware = true, InstructionRip = cpu.InstructionRip(op) };
        return false;
    }

    public static bool Into(Cpu cpu, Op* op)
    {
        if (!Flags.OF(cpu.S)) return true;
        cpu.Fault = new Fault { Active = true, Vector = Vector.OF, IsSoftware = true, InstructionRip = cpu.InstructionRip(op) };
        return false;
    }

    /// <summary>INT1 (ICEBP): a trap, without a privilege check.</summary>
    public static bool Int1(Cpu cpu, Op* op)
    {
        cpu.Fault = new Fault { Active = true, Vector = Vector.DB, IsTrap = true };
        return false;
    }

    /// <summary>VMCALL and VMMCALL: no hypercall is implemented; KVM answers -KVM_ENOSYS.</summary>
    public static bool Hypercall(Cpu cpu, Op* op)
    {
        const long KVM_ENOSYS = 1000;
        cpu.S->R[Reg.Rax] = unchecked((ulong)-KVM_ENOSYS);
        return true;
    }

    // ---- control and debug registers ---------------------------------------------------------------------------------------------------

    public static bool ReadControl(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (s->Cpl != 0) return cpu.RaiseGp();
        ulong value;
        switch (op->B)
        {
            case 0: value = s->Cr0; break;
            case 2: value = s->Cr2; break;
            case 3: value = s->Cr3; break;
            case 4: value = s->Cr4; break;
            case 8: value = cpu.Apic?.TaskPriorityClass ?? 0; break;
            default: return cpu.RaiseUd();
        }

        s->R[op->A] = cpu.Is64 ? value : (uint)value;
        return true;
    }

    public static bool WriteControl(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (s->Cpl != 0) return cpu.RaiseGp();
        ulong value = cpu.Is64 ? s->R[op->B] : (uint)s->R[op->B];
        switch (op->A)
        {
            case 0: return SetCr0(cpu, value);
            case 2: s->Cr2 = value; return true;
            case 3: return SetCr3(cpu, value);
            case 4: return SetCr4(cpu, value);
            case 8:
                if (value > 15) return cpu.RaiseGp();
                if (cpu.Apic is not null)
                {
                    cpu.Apic.TaskPriorityClass = (byte)value;
                    if (cpu.Apic.HasInterrupt) cpu.Post(Pending.Interrupt);
                }

                return true;
            default: return cpu.RaiseUd();
        }
    }

    private static bool SetCr0(Cpu cpu, ulong value)
    {
        CpuState* s = cpu.S;
        bool pg = (value & Cr0.PG) != 0, pe = (value & Cr0.PE) != 0;
        if (value >> 32 != 0 || (pg && !pe) || ((value & Cr0.NW) != 0 && (value & Cr0.CD) == 0)) return cpu.RaiseGp();
        value = (value & Cr0.Defined) | Cr0.ET;
        bool wasPaging = (s->Cr0 & Cr0.PG) != 0;
        if (pg && !wasPaging && (s->Efer & Efer.LME) != 0)
        {
            bool csIsLong = CpuState.Segments(s)[Seg.Cs].Is(SegmentAttributes.L);
            if ((s->Cr4 & Cr4.PAE) == 0 || csIsLong) return cpu.RaiseGp();
            s->Efer |= Efer.LMA;
        }
        else if (!pg && wasPaging)
        {
            if (cpu.Is64) return cpu.RaiseGp();
            s->Efer &= ~Efer.LMA;
        }

        ulong changed = s->Cr0 ^ value;
        s->Cr0 = value;
        if ((changed & Cr0.PE) != 0) s->Cpl = 0;
        if ((changed & (Cr0.PG | Cr0.WP | Cr0.PE)) != 0) cpu.FlushTranslations(keepGlobal: false);
        cpu.UpdateMode();
        return true;
    }

    private static bool SetCr3(Cpu cpu, ulong value)
    {
        CpuState* s = cpu.S;
        if (SegmentFamily.IsLong(s) && value >> cpu.Features.PhysicalBits != 0) return cpu.RaiseGp();
        s->Cr3 = value;
        cpu.FlushTranslations(keepGlobal: (s->Cr4 & Cr4.PGE) != 0);
        return true;
    }

    private static bool SetCr4(Cpu cpu, ulong value)
    {
        CpuState* s = cpu.S;
        ulong allowed = Cr4.VME | Cr4.PVI | Cr4.TSD | Cr4.DE | Cr4.PSE | Cr4.PAE | Cr4.MCE | Cr4.PGE | Cr4.PCE | Cr4.OSFXSR | Cr4.OSXMMEXCPT;
        if (cpu.Features.Umip) allowed |= Cr4.UMIP;
        if (cpu.Features.FsGsBase) allowed |= Cr4.FSGSBASE;
        if (cpu.Features.Smep) allowed |= Cr4.SMEP;
        if (cpu.Features.Smap) allowed |= Cr4.SMAP;
        if ((value & ~allowed) != 0) return cpu.RaiseGp();
        if ((value & Cr4.PAE) == 0 && SegmentFamily.IsLong(s)) return cpu.RaiseGp();
        ulong changed = s->Cr4 ^ value;
        s->Cr4 = value;
        if ((changed & (Cr4.PAE | Cr4.PSE | Cr4.PGE | Cr4.SMEP | Cr4.SMAP)) != 0) cpu.FlushTranslations(keepGlobal: false);
        cpu.UpdateMode();
        return true;
    }

    /// <summary>LMSW: the low four bits of CR0; PE can be set but not cleared.</summary>
    public static bool Lmsw(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ulong low = Cr0.PE | Cr0.MP | Cr0.EM | Cr0.TS;
        return SetCr0(cpu, (s->Cr0 & ~(low & ~Cr0.PE)) | (s->R[op->B] & low));
    }

    private static bool DebugOpen(Cpu cpu, ref int register)
    {
        const ulong GD = 1 << 13;
        CpuState* s = cpu.S;
        if (s->Cpl != 0) return cpu.RaiseGp();
        if (register is 4 or 5)
        {
            if ((s->Cr4 & Cr4.DE) != 0) return cpu.RaiseUd();
            register += 2;
        }

        if (register > 7) return cpu.RaiseUd();
        if ((s->Dr7 & GD) == 0) return true;
        s->Dr6 |= GD;
        s->Dr7 &= ~GD;
        return cpu.Raise(Vector.DB);
    }

    public static bool ReadDebug(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        int register = op->B;
        if (!DebugOpen(cpu, ref register)) return false;
        s->R[op->A] = register switch { < 4 => s->Dr[register], 6 => s->Dr6, _ => s->Dr7 };
        if (!cpu.Is64) s->R[op->A] = (uint)s->R[op->A];
        return true;
    }

    public static bool WriteDebug(Cpu cpu, Op* op)
    {
        const ulong Dr6Fixed = 0xffff0ff0, Dr6Writable = 0xe00f, Dr7Fixed = 0x400, Dr7Writable = 0xffff2bff;
        CpuState* s = cpu.S;
        int register = op->A;
        if (!DebugOpen(cpu, ref register)) return false;
        ulong value = cpu.Is64 ? s->R[op->B] : (uint)s->R[op->B];
        if (register >= 6 && value >> 32 != 0) return cpu.RaiseGp();
        if (register < 4) s->Dr[register] = value;
        else if (register == 6) s->Dr6 = (value & Dr6Writable) | Dr6Fixed;
        else s->Dr7 = (value & Dr7Writable) | Dr7Fixed;
        cpu.BreakpointsChanged();
        return true;
    }

    // ---- CPUID, TSC, MSRs ------------------------------------------------------------------------------------------------------------------

    public static bool CpuId(Cpu cpu, Op* op)
    {
        const uint OSXSAVE = 1 << 27;
        CpuState* s = cpu.S;
        uint leaf = (uint)s->R[Reg.Rax];
        CpuidEntry entry = cpu.Cpuid.Lookup(leaf, (uint)s->R[Reg.Rcx]);
        s->R[Reg.Rax] = entry.Eax;
        s->R[Reg.Rbx] = entry.Ebx;
        s->R[Reg.Rcx] = leaf == 1 && (s->Cr4 & Cr4.OSXSAVE) == 0 ? entry.Ecx & ~OSXSAVE : entry.Ecx;
        s->R[Reg.Rdx] = entry.Edx;
        return true;
    }

    /// <summary>RDTSC, and RDTSCP when C is 1.</summary>
    public static bool Rdtsc(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if ((s->Cr4 & Cr4.TSD) != 0 && s->Cpl != 0) return cpu.RaiseGp();
        ulong tsc = cpu.ReadTsc();
        s->R[Reg.Rax] = (uint)tsc;
        s->R[Reg.Rdx] = tsc >> 32;
        if (op->C == 1) s->R[Reg.Rcx] = (uint)s->TscAux;
        return true;
    }

    public static bool Rdmsr(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (s->Cpl != 0 || !ModelRegisters.TryRead(cpu, (uint)s->R[Reg.Rcx], out ulong value)) return cpu.RaiseGp();
        s->R[Reg.Rax] = (uint)value;
        s->R[Reg.Rdx] = value >> 32;
        return true;
    }

    public static bool Wrmsr(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ulong value = (uint)s->R[Reg.Rax] | (s->R[Reg.Rdx] << 32);
        return (s->Cpl == 0 && ModelRegisters.TryWrite(cpu, (uint)s->R[Reg.Rcx], value)) || cpu.RaiseGp();
    }

    // ---- ports ----------------------------------------------------------------------------------------------------------------------------

    /// <summary>IOPL and the TSS's I/O permission bitmap (Intel SDM vol. 1 §19.5); raises #GP.</summary>
    public static bool PortAllowed(Cpu cpu, ushort port, int size)
    {
        const uint IoMapBase = 0x66;
        CpuState* s = cpu.S;
        if ((s->Mode & CpuMode.Real) != 0) return true;
        bool virtual8086 = (s->SystemFlags & Rflags.VM) != 0;
        if (!virtual8086 && MayChangeIf(s)) return true;
        bool tss32 = ((int)s->Tr.Attributes & 15) is Descriptor.Tss32Available or Descriptor.Tss32Busy;
        if (!tss32 || s->Tr.Limit < IoMapBase + 1) return cpu.RaiseGp();
        if (!cpu.Mem.TryReadSystem(s->Tr.Base + IoMapBase, 2, out ulong map)) return false;
        uint at = (uint)map + (uint)(port / 8);
        if (at + 1 > s->Tr.Limit) return cpu.RaiseGp();
        if (!cpu.Mem.TryReadSystem(s->Tr.Base + at, 2, out ulong bits)) return false;
        ulong wanted = (1UL << size) - 1 << (port & 7);
        return (bits & wanted) == 0 || cpu.RaiseGp();
    }

    public static uint In(Cpu cpu, ushort port, int size)
    {
        uint value = 0;
        // SAFETY: the span covers the low bytes of the local.
        cpu.Io.PortIn(port, new Span<byte>(&value, size));
        return value;
    }

    public static void Out(Cpu cpu, ushort port, int size, uint value)
        // SAFETY: the span covers the low bytes of the parameter's copy.
        => cpu.Io.PortOut(port, new ReadOnlySpan<byte>(&value, size));

    public static bool PortIn(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ushort port = (ushort)(s->R[op->B] + (ulong)op->Imm);
        if (!PortAllowed(cpu, port, op->Size)) return false;
        IntegerFamily.Put(s, Reg.Rax, op->Size, In(cpu, port, op->Size));
        return true;
    }

    public static bool PortOut(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ushort port = (ushort)(s->R[op->B] + (ulong)op->Imm);
        if (!PortAllowed(cpu, port, op->Size)) return false;
        Out(cpu, port, op->Size, (uint)IntegerFamily.Trim(s->R[Reg.Rax], op->Size));
        return true;
    }
}
