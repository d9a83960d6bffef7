using System.Runtime.InteropServices;
using Vmm.Core.Hypervisor;
using Vmm.Kvm.Abi;

namespace Vmm.Kvm;

/// <summary>
/// Reads and writes the registers of one vCPU: all of them, or (for one emulated instruction) those that an instruction can see,
/// through the shared page where KVM has SYNC_REGS. Used on the vCPU's thread only; keeps its buffers, so it allocates nothing once warm.
/// </summary>
internal sealed unsafe class KvmVcpuRegisters
{
    private const int MsrHeaderBytes = 8;

    /// <summary>MSRs that instructions read without being RDMSR.</summary>
    private static readonly uint[] InstructionMsrs =
        [Msr.IA32_TSC, Msr.TSC_AUX, Msr.STAR, Msr.LSTAR, Msr.CSTAR, Msr.SFMASK, Msr.KERNEL_GS_BASE, Msr.IA32_SYSENTER_CS, Msr.IA32_SYSENTER_ESP, Msr.IA32_SYSENTER_EIP];

    // SAFETY (every fixed block below): each array has the size that its request number or its header's count says.
    private readonly int _fd;
    private readonly KvmRun* _run;
    private readonly bool _hasSyncRegs, _hasXcrs;
    private readonly byte[] _xsaveBefore = GC.AllocateArray<byte>(VcpuState.XsaveBytes, pinned: true);
    private readonly byte[] _msrs;
    private readonly uint[] _allMsrs, _instructionMsrs;
    private readonly ulong[] _msrsBefore;
    private readonly bool _hasTscDeadline;
    private KvmSregs _sregsBefore;
    private KvmVcpuEvents _eventsBefore;
    private ulong _xcr0Before;

    public KvmVcpuRegisters(KvmHypervisor hypervisor, int fd, KvmRun* run)
    {
        _fd = fd;
        _run = run;
        _hasSyncRegs = ((ulong)hypervisor.CheckExtension(KvmCapability.KVM_CAP_SYNC_REGS) & KvmRun.KVM_SYNC_X86_ALL) == KvmRun.KVM_SYNC_X86_ALL;
        _hasXcrs = hypervisor.CheckExtension(KvmCapability.KVM_CAP_XCRS) != 0;
        _msrs = GC.AllocateArray<byte>(MsrHeaderBytes + (Math.Max(hypervisor.MsrIndices.Length, InstructionMsrs.Length) * sizeof(KvmMsrEntry)), pinned: true);
        _hasTscDeadline = TryReadMsr(Msr.IA32_TSC_DEADLINE, out _);
        _allMsrs = Readable(hypervisor.MsrIndices.Where(IsCarriedInTheList));
        _instructionMsrs = Readable(InstructionMsrs);
        _msrsBefore = new ulong[_instructionMsrs.Length];
    }

    /// <summary>True when the shared page can carry registers.</summary>
    public bool HasSyncRegs => _hasSyncRegs;

    /// <summary>All of it.</summary>
    public void Capture(VcpuState to)
    {
        KvmRegs regs = default;
        KvmSregs sregs = default;
        KvmVcpuEvents events = default;
        KvmDebugregs debug = default;
        KvmMpState activity = default;
        // Asked first: it makes KVM act on a pending INIT or SIPI, which changes the rest.
        Must(KvmIoctl.KVM_GET_MP_STATE, ref activity, "reading the activity state");
        Must(KvmIoctl.KVM_GET_REGS, ref regs, "reading the general registers");
        Must(KvmIoctl.KVM_GET_SREGS, ref sregs, "reading the system registers");
        Must(KvmIoctl.KVM_GET_VCPU_EVENTS, ref events, "reading the pending events");
        Must(KvmIoctl.KVM_GET_DEBUGREGS, ref debug, "reading the debug registers");
        KvmStateCodec.Decode(regs, to);
        KvmStateCodec.Decode(sregs, to);
        KvmStateCodec.Decode(events, to);
        to.Activity = KvmStateCodec.Decode(activity);
        for (int i = 0; i < to.Dr.Length; i++) to.Dr[i] = debug.Db[i];
        to.Dr6 = debug.Dr6;
        to.Dr7 = debug.Dr7;
        ReadXsave(to.Xsave);
        to.Xcr0 = ReadXcr0();
        to.LocalApic ??= new byte[LocalApicBytes];
        fixed (byte* page = to.LocalApic) Must(KvmIoctl.KVM_GET_LAPIC, page, "reading the local APIC");
        to.Msrs.Clear();
        ReadMsrs(_allMsrs);
        foreach (KvmMsrEntry entry in MsrEntries(_allMsrs.Length)) to.Msrs.Add(new MsrValue(entry.Index, entry.Data));
        TryReadMsr(Msr.IA32_TSC, out ulong tsc);
        to.Tsc = tsc;
        ulong deadline = 0;
        if (_hasTscDeadline) TryReadMsr(Msr.IA32_TSC_DEADLINE, out deadline);
        to.TscDeadline = deadline;
    }

    /// <summary>All of it. The order matters: the APIC's mode before its page, its page before the deadline, everything before pending events.</summary>
    /// <exception cref="HypervisorException">KVM refused a part.</exception>
    public void Apply(VcpuState from)
    {
        KvmStateCodec.Encode(from, out KvmRegs regs);
        KvmStateCodec.Encode(from, out KvmSregs sregs);
        KvmStateCodec.Encode(from, out KvmVcpuEvents events);
        KvmDebugregs debug = new() { Dr6 = from.Dr6, Dr7 = from.Dr7 };
        for (int i = 0; i < from.Dr.Length; i++) debug.Db[i] = from.Dr[i];
        KvmMpState activity = KvmStateCodec.Encode(from.Activity);
        Must(KvmIoctl.KVM_SET_SREGS, ref sregs, "setting the system registers");
        Must(KvmIoctl.KVM_SET_REGS, ref regs, "setting the general registers");
        WriteXcr0(from.Xcr0);
        WriteXsave(from.Xsave);
        WriteMsr(new MsrValue(Msr.IA32_TSC, from.Tsc));
        foreach (MsrValue msr in from.Msrs) WriteMsr(msr);
        if (from.LocalApic is { } apic) WriteLocalApic(apic);
        if (_hasTscDeadline) WriteMsr(new MsrValue(Msr.IA32_TSC_DEADLINE, from.TscDeadline));
        Must(KvmIoctl.KVM_SET_DEBUGREGS, ref debug, "setting the debug registers");
        Must(KvmIoctl.KVM_SET_MP_STATE, ref activity, "setting the activity state");
        Must(KvmIoctl.KVM_SET_VCPU_EVENTS, ref events, "setting the pending events");
    }

    /// <summary>What one instruction can see, after an exit. Local APIC and debug registers are left out.</summary>
    public void CaptureForInstruction(VcpuState to)
    {
        if (_run->ValidRegs != KvmRun.KVM_SYNC_X86_ALL)
        {
            Must(KvmIoctl.KVM_GET_REGS, &_run->Regs, "reading the general registers");
            Must(KvmIoctl.KVM_GET_SREGS, &_run->Sregs, "reading the system registers");
            Must(KvmIoctl.KVM_GET_VCPU_EVENTS, &_run->Events, "reading the pending events");
        }

        KvmStateCodec.Decode(_run->Regs, to);
        KvmStateCodec.Decode(_run->Sregs, to);
        KvmStateCodec.Decode(_run->Events, to);
        KvmStateCodec.Encode(to, out _sregsBefore);
        KvmStateCodec.Encode(to, out _eventsBefore);
        ReadXsave(_xsaveBefore);
        _xsaveBefore.CopyTo(to.Xsave, 0);
        to.Xcr0 = _xcr0Before = ReadXcr0();
        to.Activity = VcpuActivity.Running;
        to.LocalApic = null;
        to.Msrs.Clear();
        ReadMsrs(_instructionMsrs);
        Span<KvmMsrEntry> entries = MsrEntries(_instructionMsrs.Length);
        for (int i = 0; i < entries.Length; i++)
        {
            _msrsBefore[i] = entries[i].Data;
            if (entries[i].Index == Msr.IA32_TSC) to.Tsc = entries[i].Data;
            else to.Msrs.Add(new MsrValue(entries[i].Index, entries[i].Data));
        }
    }

    /// <summary>Takes over what the instruction changed; the registers of the shared page go with the next KVM_RUN.</summary>
    /// <exception cref="HypervisorException">KVM refused a part.</exception>
    public void ApplyAfterInstruction(VcpuState from)
    {
        KvmStateCodec.Encode(from, out _run->Regs);
        KvmStateCodec.Encode(from, out _run->Sregs);
        KvmStateCodec.Encode(from, out _run->Events);
        ulong changed = KvmRun.KVM_SYNC_X86_REGS;
        if (!KvmStateCodec.Same(_run->Sregs, _sregsBefore)) changed |= KvmRun.KVM_SYNC_X86_SREGS;
        if (!KvmStateCodec.Same(_run->Events, _eventsBefore)) changed |= KvmRun.KVM_SYNC_X86_EVENTS;
        if (_hasSyncRegs) _run->DirtyRegs |= changed;
        else WriteShared(changed);
        if (from.Xcr0 != _xcr0Before) WriteXcr0(from.Xcr0);
        if (!from.Xsave.AsSpan().SequenceEqual(_xsaveBefore)) WriteXsave(from.Xsave);
        for (int i = 0; i < _instructionMsrs.Length; i++)
        {
            ulong value = from.FindMsr(_instructionMsrs[i]) ?? _msrsBefore[i];
            if (value != _msrsBefore[i]) WriteMsr(new MsrValue(_instructionMsrs[i], value));
        }
    }

    private const int LocalApicBytes = 1024;

    // The TSC and its deadline have members of their own in VcpuState, the APIC base and EFER come with the system registers.
    private static bool IsCarriedInTheList(uint index) => index is not (Msr.IA32_TSC or Msr.IA32_TSC_DEADLINE or Msr.IA32_APIC_BASE or Msr.EFER)
        && index is not (>= Msr.X2APIC_FIRST and <= Msr.X2APIC_LAST);

    private void WriteShared(ulong changed)
    {
        if ((changed & KvmRun.KVM_SYNC_X86_SREGS) != 0) Must(KvmIoctl.KVM_SET_SREGS, &_run->Sregs, "setting the system registers");
        Must(KvmIoctl.KVM_SET_REGS, &_run->Regs, "setting the general registers");
        if ((changed & KvmRun.KVM_SYNC_X86_EVENTS) != 0) Must(KvmIoctl.KVM_SET_VCPU_EVENTS, &_run->Events, "setting the pending events");
    }

    private void WriteLocalApic(byte[] page)
    {
        if (page.Length != LocalApicBytes) throw new HypervisorException($"the local APIC's page has {page.Length} bytes instead of {LocalApicBytes}");
        fixed (byte* start = page) Must(KvmIoctl.KVM_SET_LAPIC, start, "setting the local APIC");
    }

    private void ReadXsave(byte[] to)
    {
        // SAFETY: KVM_GET_XSAVE writes 4096 bytes, the length of every such array here; larger areas need a permission never asked for.
        fixed (byte* area = to) Must(KvmIoctl.KVM_GET_XSAVE, area, "reading the floating-point state");
    }

    private void WriteXsave(byte[] from)
    {
        fixed (byte* area = from) Must(KvmIoctl.KVM_SET_XSAVE, area, "setting the floating-point state");
    }

    private ulong ReadXcr0()
    {
        if (!_hasXcrs) return 1;
        KvmXcrs xcrs = default;
        Must(KvmIoctl.KVM_GET_XCRS, ref xcrs, "reading XCR0");
        return xcrs.Count == 0 ? 1 : xcrs.Value;
    }

    private void WriteXcr0(ulong value)
    {
        if (!_hasXcrs)
        {
            if (value != 1) throw new HypervisorException("KVM: this host cannot set XCR0");
            return;
        }

        KvmXcrs xcrs = new() { Count = 1, Value = value };
        Must(KvmIoctl.KVM_SET_XCRS, ref xcrs, "setting XCR0");
    }

    private uint[] Readable(IEnumerable<uint> indices) => [.. indices.Where(i => TryReadMsr(i, out _))];

    private bool TryReadMsr(uint index, out ulong value)
    {
        Span<KvmMsrEntry> entries = Prepare(1);
        entries[0] = new KvmMsrEntry { Index = index };
        fixed (byte* start = _msrs)
        {
            bool read = KvmCall.Try(_fd, KvmIoctl.KVM_GET_MSRS, (nint)start) == 1;
            value = read ? entries[0].Data : 0;
            return read;
        }
    }

    private void ReadMsrs(uint[] indices)
    {
        Span<KvmMsrEntry> entries = Prepare(indices.Length);
        for (int i = 0; i < indices.Length; i++) entries[i] = new KvmMsrEntry { Index = indices[i] };
        fixed (byte* start = _msrs)
        {
            int read = KvmCall.Must(_fd, KvmIoctl.KVM_GET_MSRS, (nint)start, "reading MSRs");
            if (read != indices.Length) throw new HypervisorException($"KVM: reading MSR 0x{indices[read]:x} failed");
        }
    }

    // An MSR that this KVM does not have is no loss when it is 0, or when it has that value anyway.
    private void WriteMsr(MsrValue msr)
    {
        Prepare(1)[0] = new KvmMsrEntry { Index = msr.Index, Data = msr.Value };
        fixed (byte* start = _msrs)
        {
            if (KvmCall.Try(_fd, KvmIoctl.KVM_SET_MSRS, (nint)start) == 1 || msr.Value == 0) return;
        }

        if (!TryReadMsr(msr.Index, out ulong value) || value != msr.Value)
            throw new HypervisorException($"KVM: MSR 0x{msr.Index:x} cannot be set to 0x{msr.Value:x}");
    }

    private Span<KvmMsrEntry> Prepare(int count)
    {
        MemoryMarshal.Write(_msrs, (ulong)count);
        return MsrEntries(count);
    }

    private Span<KvmMsrEntry> MsrEntries(int count) => MemoryMarshal.Cast<byte, KvmMsrEntry>(_msrs.AsSpan(MsrHeaderBytes))[..count];

    private void Must<T>(uint request, ref T argument, string what) where T : unmanaged => KvmCall.Must(_fd, request, ref argument, what);

    private void Must(uint request, void* argument, string what) => KvmCall.Must(_fd, request, (nint)argument, what);
}
