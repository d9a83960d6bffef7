using Vmm.Core.Hypervisor;

namespace Vmm.Cpu.State;

/// <summary>Between <see cref="VcpuState"/>, which KVM shares, and the software CPU's own registers.</summary>
internal static unsafe class StateCodec
{
    public static void Capture(Cpu cpu, VcpuState to)
    {
        CpuState* s = cpu.S;
        for (int i = 0; i < 16; i++) to.Gpr[i] = s->R[i];
        to.Rip = s->Rip;
        to.Rflags = Flags.Get(s);
        to.Es = Segment(s, Seg.Es);
        to.Cs = Segment(s, Seg.Cs);
        to.Ss = Segment(s, Seg.Ss);
        to.Ds = Segment(s, Seg.Ds);
        to.Fs = Segment(s, Seg.Fs);
        to.Gs = Segment(s, Seg.Gs);
        to.Ldtr = new SegmentState(s->Ldtr.Selector, s->Ldtr.Base, s->Ldtr.Limit, s->Ldtr.Attributes);
        to.Tr = new SegmentState(s->Tr.Selector, s->Tr.Base, s->Tr.Limit, s->Tr.Attributes);
        to.Gdtr = new DescriptorTableState(s->GdtBase, s->GdtLimit);
        to.Idtr = new DescriptorTableState(s->IdtBase, s->IdtLimit);
        to.Cr0 = s->Cr0;
        to.Cr2 = s->Cr2;
        to.Cr3 = s->Cr3;
        to.Cr4 = s->Cr4;
        to.Cr8 = cpu.Apic?.TaskPriorityClass ?? 0;
        to.Efer = s->Efer;
        to.Xcr0 = 1;
        FxArea.Save(s, to.Xsave);
        to.Xsave.AsSpan(512, 8).Clear();
        to.Xsave[512] = 3;
        for (int i = 0; i < 4; i++) to.Dr[i] = s->Dr[i];
        to.Dr6 = s->Dr6;
        to.Dr7 = s->Dr7;
        to.Msrs.Clear();
        foreach ((uint index, ulong value) in ((uint, ulong)[])
        [
            (Msr.IA32_SYSENTER_CS, s->SysenterCs), (Msr.IA32_SYSENTER_ESP, s->SysenterEsp), (Msr.IA32_SYSENTER_EIP, s->SysenterEip), (Msr.IA32_MISC_ENABLE, s->MiscEnable),
            (Msr.IA32_PAT, s->Pat), (Msr.STAR, s->Star), (Msr.LSTAR, s->Lstar), (Msr.CSTAR, s->Cstar), (Msr.SFMASK, s->Sfmask), (Msr.KERNEL_GS_BASE, s->KernelGsBase),
            (Msr.TSC_AUX, s->TscAux), (Msr.IA32_TSC_ADJUST, s->TscAdjust), (Msr.KVM_WALL_CLOCK_NEW, s->KvmWallClock), (Msr.KVM_SYSTEM_TIME_NEW, s->KvmSystemTime),
        ])
        {
            to.Msrs.Add(new MsrValue(index, value));
        }

        to.Tsc = cpu.ReadTsc();
        to.Activity = s->Activity;
        VcpuEvents events = cpu.Injected;
        events.NmiPending = cpu.IsPending(Pending.Nmi);
        events.NmiBlocked = s->NmiBlocked != 0;
        bool shadowed = s->ShadowRip == s->Rip;
        events.StiShadow = shadowed && s->InterruptShadow == InterruptShadow.Sti;
        events.MovSsShadow = shadowed && s->InterruptShadow == InterruptShadow.MovSs;
        to.Events = events;
        if (cpu.Apic is not { } apic) return;
        to.ApicBase = apic.ApicBase;
        to.LocalApic ??= new byte[1024];
        apic.SaveRegisters(to.LocalApic);
        to.TscDeadline = apic.TryReadMsr(Msr.IA32_TSC_DEADLINE, out ulong deadline) ? deadline : 0;
    }

    public static void Apply(Cpu cpu, VcpuState from)
    {
        CpuState* s = cpu.S;
        for (int i = 0; i < 16; i++) s->R[i] = from.Gpr[i];
        s->R[Reg.Zero] = 0;
        s->Rip = from.Rip;
        SetSegment(s, Seg.Es, from.Es);
        SetSegment(s, Seg.Cs, from.Cs);
        SetSegment(s, Seg.Ss, from.Ss);
        SetSegment(s, Seg.Ds, from.Ds);
        SetSegment(s, Seg.Fs, from.Fs);
        SetSegment(s, Seg.Gs, from.Gs);
        s->Ldtr = System(from.Ldtr);
        s->Tr = System(from.Tr);
        (s->GdtBase, s->GdtLimit) = (from.Gdtr.Base, from.Gdtr.Limit);
        (s->IdtBase, s->IdtLimit) = (from.Idtr.Base, from.Idtr.Limit);
        s->Cr0 = (from.Cr0 & Cr0.Defined) | Cr0.ET;
        s->Cr2 = from.Cr2;
        s->Cr3 = from.Cr3;
        s->Cr4 = from.Cr4;
        s->Efer = from.Efer;
        FxArea.RestoreXsave(s, from.Xsave);
        for (int i = 0; i < 4; i++) s->Dr[i] = from.Dr[i];
        s->Dr6 = from.Dr6;
        s->Dr7 = from.Dr7;
        s->Pat = 0x0007040600070406;
        s->TscAdjust = 0;
        foreach (MsrValue msr in from.Msrs) SetMsr(s, msr);
        s->TscOffset = unchecked(from.Tsc - cpu.TimeInTicks);
        s->Activity = from.Activity;
        s->NmiBlocked = from.Events.NmiBlocked ? (byte)1 : (byte)0;
        s->InterruptShadow = from.Events.MovSsShadow ? InterruptShadow.MovSs : from.Events.StiShadow ? InterruptShadow.Sti : InterruptShadow.None;
        s->ShadowRip = from.Rip;
        bool real = (from.Cr0 & Cr0.PE) == 0;
        s->Cpl = real ? (byte)0 : (from.Rflags & Rflags.VM) != 0 ? (byte)3 : (byte)from.Ss.Dpl;
        // SS may be null in 64-bit supervisor code: there CS tells the level.
        if (!real && (from.Ss.Attributes & SegmentAttributes.Unusable) != 0) s->Cpl = (byte)(from.Cs.Selector & 3);
        Flags.SetStatus(s, (uint)from.Rflags);
        s->SystemFlags = (uint)from.Rflags & ~(Rflags.Status | Rflags.Fixed);
        cpu.ForgetEvents();
        cpu.FlushTranslations(keepGlobal: false);
        cpu.UpdateMode();
        cpu.BreakpointsChanged();
        cpu.Inject(from.Events);
        if (from.Events.NmiPending) cpu.Post(Pending.Nmi);
        if (cpu.Apic is not { } apic) return;
        if (from.LocalApic is { } page) apic.RestoreRegisters(page, from.ApicBase, from.TscDeadline);
        else apic.TaskPriorityClass = from.Cr8;
        cpu.Post(Pending.Interrupt);
    }

    /// <summary>Where the guest has a paravirtual clock, it is to read this machine's time from it.</summary>
    public static void RefreshClock(Cpu cpu) => Execute.KvmClock.SetSystemTime(cpu, cpu.S->KvmSystemTime);

    private static SegmentState Segment(CpuState* s, int segment)
    {
        SegmentCache cache = CpuState.Segments(s)[segment];
        return new SegmentState(cache.Selector, s->R[Reg.SegmentBase + segment], cache.Limit, cache.Attributes);
    }

    private static void SetSegment(CpuState* s, int segment, SegmentState from)
    {
        CpuState.Segments(s)[segment] = new SegmentCache { Selector = from.Selector, Limit = from.Limit, Attributes = from.Attributes };
        s->R[Reg.SegmentBase + segment] = from.Base;
    }

    private static SystemSegment System(SegmentState from)
        => new() { Selector = from.Selector, Base = from.Base, Limit = from.Limit, Attributes = from.Attributes };

    // MSRs of another CPU's state that this one does not have are left out: the guest cannot have relied on them under this CPUID.
    private static void SetMsr(CpuState* s, MsrValue msr)
    {
        switch (msr.Index)
        {
            case Msr.IA32_SYSENTER_CS: s->SysenterCs = msr.Value; break;
            case Msr.IA32_SYSENTER_ESP: s->SysenterEsp = msr.Value; break;
            case Msr.IA32_SYSENTER_EIP: s->SysenterEip = msr.Value; break;
            case Msr.IA32_MISC_ENABLE: s->MiscEnable = msr.Value; break;
            case Msr.IA32_PAT: s->Pat = msr.Value; break;
            case Msr.STAR: s->Star = msr.Value; break;
            case Msr.LSTAR: s->Lstar = msr.Value; break;
            case Msr.CSTAR: s->Cstar = msr.Value; break;
            case Msr.SFMASK: s->Sfmask = msr.Value; break;
            case Msr.KERNEL_GS_BASE: s->KernelGsBase = msr.Value; break;
            case Msr.TSC_AUX: s->TscAux = msr.Value; break;
            case Msr.IA32_TSC_ADJUST: s->TscAdjust = msr.Value; break;
            case Msr.KVM_WALL_CLOCK_NEW: s->KvmWallClock = msr.Value; break;
            case Msr.KVM_SYSTEM_TIME_NEW: s->KvmSystemTime = msr.Value; break;
        }
    }
}
