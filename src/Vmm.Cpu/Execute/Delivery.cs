using Vmm.Cpu.Mmu;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Execute;

/// <summary>
/// Delivery of exceptions and interrupts through the IVT (real mode) or the IDT, with stack switches and IST (Intel SDM vol. 3 ch. 6).
/// A false result means that delivery itself faulted; the new fault is active on the <see cref="Cpu"/>.
/// </summary>
internal static unsafe class Delivery
{
    private const uint External = 1, Idt = 2;

    public static bool HasErrorCode(byte vector)
        => vector is Vector.DF or Vector.TS or Vector.NP or Vector.SS or Vector.GP or Vector.PF or Vector.AC;

    /// <summary>Whether a second fault while delivering the first makes a double fault (SDM table 6-5).</summary>
    public static bool MakesDoubleFault(byte first, bool firstIsExternal, byte second)
    {
        if (firstIsExternal) return false;
        bool secondContributes = Contributes(second);
        if (Contributes(first)) return secondContributes;
        return first == Vector.PF && (secondContributes || second == Vector.PF);
    }

    private static bool Contributes(byte vector) => vector is Vector.DE or Vector.TS or Vector.NP or Vector.SS or Vector.GP;

    public static bool Deliver(Cpu cpu, in Fault fault)
    {
        CpuState* s = cpu.S;
        if (fault.Vector == Vector.PF && fault.HasErrorCode) s->Cr2 = fault.Address;
        s->InterruptShadow = InterruptShadow.None;
        if ((s->Mode & CpuMode.Real) != 0) return DeliverReal(cpu, fault.Vector);
        if (fault.IsSoftware && (s->SystemFlags & Rflags.VM) != 0 && (s->SystemFlags & Rflags.IOPL) != Rflags.IOPL && fault.Vector is not Vector.BP and not Vector.OF)
            return cpu.RaiseGp();
        return DeliverProtected(cpu, fault);
    }

    private static bool DeliverReal(Cpu cpu, byte vector)
    {
        CpuState* s = cpu.S;
        uint entry = (uint)vector * 4;
        if (entry + 3 > s->IdtLimit) return cpu.RaiseGp();
        if (!cpu.Mem.TryReadSystem((s->IdtBase + entry) & uint.MaxValue, 4, out ulong pointer)) return false;
        StackCursor stack = new(cpu);
        if (!stack.Push(2, Flags.Get(s)) || !stack.Push(2, CpuState.Segments(s)[Seg.Cs].Selector) || !stack.Push(2, s->Rip)) return false;
        stack.Commit();
        cpu.SetSystemFlags(s->SystemFlags & ~(Rflags.IF | Rflags.TF | Rflags.AC | Rflags.RF));
        ushort selector = (ushort)(pointer >> 16);
        CpuState.Segments(s)[Seg.Cs].Selector = selector;
        s->R[Reg.SegmentBase + Seg.Cs] = (ulong)selector << 4;
        s->Rip = (ushort)pointer;
        return true;
    }

    private static bool DeliverProtected(Cpu cpu, in Fault fault)
    {
        CpuState* s = cpu.S;
        bool isLong = SegmentFamily.IsLong(s);
        uint ext = fault.IsExternal ? External : 0;
        uint entryError = ((uint)fault.Vector * 8) | Idt | ext;
        uint entryBytes = isLong ? 16u : 8u;
        uint offset = fault.Vector * entryBytes;
        if (offset + entryBytes - 1 > s->IdtLimit) return cpu.Raise(Vector.GP, entryError);
        ulong high = 0;
        if (!cpu.Mem.TryReadSystem(s->IdtBase + offset, 8, out ulong low)) return false;
        if (isLong && !cpu.Mem.TryReadSystem(s->IdtBase + offset + 8, 8, out high)) return false;
        Descriptor gate = new(low, high & uint.MaxValue, 0);
        bool typeOk = gate.IsSystem && (gate.Type is Descriptor.InterruptGate32 or Descriptor.TrapGate32 || (!isLong && gate.Type is Descriptor.InterruptGate16 or Descriptor.TrapGate16 && !isLong));
        if (!typeOk || (fault.IsSoftware && gate.Dpl < s->Cpl)) return cpu.Raise(Vector.GP, entryError);
        if (!gate.Present) return cpu.Raise(Vector.NP, entryError);
        ushort selector = gate.GateSelector;
        if ((selector & ~SegmentFamily.RplMask) == 0) return cpu.Raise(Vector.GP, ext);
        if (!SegmentFamily.TryRead(cpu, selector, Vector.GP, out Descriptor code)) return AddExternal(cpu, ext);
        uint codeError = (uint)(selector & ~SegmentFamily.RplMask) | ext;
        if (!code.IsCode || code.Dpl > s->Cpl || (isLong && (!code.IsLong || code.IsBig))) return cpu.Raise(Vector.GP, codeError);
        if (!code.Present) return cpu.Raise(Vector.NP, codeError);
        int newCpl = code.IsConforming ? s->Cpl : code.Dpl;
        bool virtual8086 = (s->SystemFlags & Rflags.VM) != 0;
        if (virtual8086 && newCpl != 0) return cpu.Raise(Vector.GP, codeError);
        ulong entry = isLong ? gate.GateOffset64 : gate.Type is Descriptor.InterruptGate16 or Descriptor.TrapGate16 ? gate.GateOffset32 & 0xffff : gate.GateOffset32;
        int size = isLong ? 8 : gate.Type is Descriptor.InterruptGate16 or Descriptor.TrapGate16 ? 2 : 4;
        uint flags = Flags.Get(s);
        // RF is set in the image of a fault, so that a breakpoint at the same place does not come again.
        if (!fault.IsSoftware && !fault.IsTrap && !fault.IsExternal && fault.Vector != Vector.DB) flags |= Rflags.RF;
        ushort oldSs = CpuState.Segments(s)[Seg.Ss].Selector, oldCs = CpuState.Segments(s)[Seg.Cs].Selector;
        ulong oldRsp = s->R[Reg.Rsp], oldRip = s->Rip;

        StackCursor stack;
        ushort newSs = 0;
        Descriptor stackDescriptor = default;
        bool switchStack = newCpl != s->Cpl || virtual8086 || (isLong && gate.GateIst != 0);
        if (switchStack)
        {
            if (!InnerStack(cpu, newCpl, isLong ? gate.GateIst : 0, out stack, out newSs, out stackDescriptor)) return AddExternal(cpu, ext);
        }
        else if (isLong)
        {
            stack = new StackCursor(cpu, 0, oldRsp & ~15UL, ulong.MaxValue, newCpl == 3 ? SoftTlb.User : SoftTlb.Supervisor);
        }
        else
        {
            stack = new StackCursor(cpu);
        }

        if (virtual8086)
        {
            ReadOnlySpan<byte> data = [Seg.Gs, Seg.Fs, Seg.Ds, Seg.Es];
            foreach (byte segment in data)
            {
                if (!stack.Push(size, CpuState.Segments(s)[segment].Selector)) return AddExternal(cpu, ext);
            }
        }

        bool pushStack = isLong || switchStack;
        if (pushStack && (!stack.Push(size, oldSs) || !stack.Push(size, oldRsp))) return AddExternal(cpu, ext);
        if (!stack.Push(size, flags) || !stack.Push(size, oldCs) || !stack.Push(size, oldRip)) return AddExternal(cpu, ext);
        if (fault.HasErrorCode && !stack.Push(size, fault.ErrorCode)) return AddExternal(cpu, ext);

        uint keep = s->SystemFlags & ~(Rflags.TF | Rflags.NT | Rflags.RF | Rflags.VM);
        bool interruptGate = gate.Type is Descriptor.InterruptGate16 or Descriptor.InterruptGate32;
        if (interruptGate) keep &= ~Rflags.IF;
        uint before = s->SystemFlags;
        cpu.SetSystemFlags(keep);
        if (!FarTransfer.Enter(cpu, selector, code, entry, newCpl))
        {
            cpu.SetSystemFlags(before);
            return AddExternal(cpu, ext);
        }

        if (switchStack) LoadInnerStack(cpu, newSs, stackDescriptor, newCpl, isLong, newCpl != (oldCs & SegmentFamily.RplMask) || virtual8086);
        stack.Commit();
        if (virtual8086)
        {
            ReadOnlySpan<byte> data = [Seg.Gs, Seg.Fs, Seg.Ds, Seg.Es];
            foreach (byte segment in data) SegmentFamily.SetNull(cpu, segment, 0);
        }

        cpu.UpdateMode();
        return true;
    }

    private static bool AddExternal(Cpu cpu, uint ext)
    {
        if (cpu.Fault.HasErrorCode && cpu.Fault.Vector != Vector.PF) cpu.Fault.ErrorCode |= ext;
        return false;
    }

    /// <summary>The stack of an inner privilege level from the TSS (or the IST), with its checks; nothing is loaded yet.</summary>
    public static bool InnerStack(Cpu cpu, int cpl, int ist, out StackCursor stack, out ushort selector, out Descriptor descriptor)
    {
        CpuState* s = cpu.S;
        stack = default;
        selector = 0;
        descriptor = default;
        uint tssError = (uint)(s->Tr.Selector & ~SegmentFamily.RplMask);
        if (SegmentFamily.IsLong(s))
        {
            uint at = ist != 0 ? 36u + ((uint)(ist - 1) * 8) : 4u + ((uint)cpl * 8);
            if (at + 7 > s->Tr.Limit) return cpu.Raise(Vector.TS, tssError);
            if (!cpu.Mem.TryReadSystem(s->Tr.Base + at, 8, out ulong rsp)) return false;
            if ((long)(rsp << 16) >> 16 != (long)rsp) return cpu.Raise(Vector.SS, 0);
            stack = new StackCursor(cpu, 0, rsp & ~15UL, ulong.MaxValue, cpl == 3 ? SoftTlb.User : SoftTlb.Supervisor);
            selector = (ushort)cpl;
            return true;
        }

        bool is16 = ((int)s->Tr.Attributes & 15) is Descriptor.Tss16Available or Descriptor.Tss16Busy;
        uint slot = is16 ? 2u + ((uint)cpl * 4) : 4u + ((uint)cpl * 8);
        int size = is16 ? 2 : 4;
        if (slot + (uint)size + 1 > s->Tr.Limit) return cpu.Raise(Vector.TS, tssError);
        if (!cpu.Mem.TryReadSystem(s->Tr.Base + slot, size, out ulong esp) || !cpu.Mem.TryReadSystem(s->Tr.Base + slot + (uint)size, 2, out ulong ss)) return false;
        selector = (ushort)ss;
        uint error = (uint)(selector & ~SegmentFamily.RplMask);
        if (error == 0) return cpu.Raise(Vector.TS, 0);
        if (!SegmentFamily.TryRead(cpu, selector, Vector.TS, out descriptor)) return false;
        bool ok = (selector & SegmentFamily.RplMask) == cpl && descriptor.Dpl == cpl && !descriptor.IsSystem && !descriptor.IsCode && descriptor.IsWritableOrReadable;
        if (!ok) return cpu.Raise(Vector.TS, error);
        if (!descriptor.Present) return cpu.Raise(Vector.SS, error);
        if (!SegmentFamily.SetAccessed(cpu, descriptor)) return false;
        stack = new StackCursor(cpu, descriptor, selector, esp, cpl == 3 ? SoftTlb.User : SoftTlb.Supervisor);
        return true;
    }

    /// <summary>Loads SS for the stack that <see cref="InnerStack"/> found, after CS.</summary>
    public static void LoadInnerStack(Cpu cpu, ushort selector, in Descriptor descriptor)
        => LoadInnerStack(cpu, selector, descriptor, cpu.S->Cpl, SegmentFamily.IsLong(cpu.S), true);

    private static void LoadInnerStack(Cpu cpu, ushort selector, in Descriptor descriptor, int cpl, bool isLong, bool privilegeChanged)
    {
        if (!isLong)
        {
            SegmentFamily.Set(cpu, Seg.Ss, selector, descriptor);
            return;
        }

        // In 64-bit mode SS becomes null when the privilege changes; an IST alone leaves it.
        if (privilegeChanged) SegmentFamily.SetNull(cpu, Seg.Ss, (ushort)cpl);
    }
}
