using Vmm.Core.Hypervisor;
using Vmm.Cpu.Decode;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Execute;

/// <summary>Segment registers, descriptor tables, LAR, LSL, VERR, VERW, ARPL (Intel SDM vol. 3 ch. 3 and 5).</summary>
internal static unsafe class SegmentFamily
{
    /// <summary>Selector bits: RPL and table indicator.</summary>
    public const ushort RplMask = 3, TableIndicator = 4, IndexMask = 0xfff8;

    public static bool IsReal(CpuState* s) => (s->Mode & (CpuMode.Real | CpuMode.Virtual8086)) != 0;

    public static bool IsLong(CpuState* s) => (s->Efer & Efer.LMA) != 0;

    /// <summary>R[A] = selector of segment register B.</summary>
    public static bool ReadSelector(Cpu cpu, Op* op)
    {
        cpu.S->R[op->A] = CpuState.Segments(cpu.S)[op->B].Selector;
        return true;
    }

    /// <summary>MOV Sreg: segment A from R[B]. Ends the block, because the mode of code and stack may change.</summary>
    public static bool MovToSegment(Cpu cpu, Op* op)
    {
        if (!Load(cpu, op->A, (ushort)cpu.S->R[op->B])) return false;
        if (op->A == Seg.Ss) cpu.BeginShadow(InterruptShadow.MovSs);
        return true;
    }

    /// <summary>LDS, LES, LSS, LFS, LGS: segment C and register A (Size bytes) from the far pointer at the address.</summary>
    public static bool LoadFarPointer(Cpu cpu, Op* op)
    {
        ulong linear = cpu.LinearAddress(op);
        if (!cpu.Mem.TryRead(linear, op->Size, out ulong offset) || !cpu.Mem.TryRead(linear + op->Size, 2, out ulong selector)) return false;
        if (!Load(cpu, op->C, (ushort)selector)) return false;
        IntegerFamily.Put(cpu.S, op->A, op->Size, offset);
        return true;
    }

    /// <summary>Reads a descriptor. False raises <paramref name="vector"/> with the selector as error code.</summary>
    public static bool TryRead(Cpu cpu, ushort selector, byte vector, out Descriptor descriptor, bool wide = false)
    {
        descriptor = default;
        if (!Locate(cpu.S, selector, wide, out ulong address)) return cpu.Raise(vector, (uint)(selector & ~RplMask));
        ulong high = 0;
        if (!cpu.Mem.TryReadSystem(address, 8, out ulong low)) return false;
        if (wide && !cpu.Mem.TryReadSystem(address + 8, 8, out high)) return false;
        descriptor = new Descriptor(low, high & uint.MaxValue, address);
        return true;
    }

    private static bool Locate(CpuState* s, ushort selector, bool wide, out ulong address)
    {
        bool local = (selector & TableIndicator) != 0;
        uint limit = local ? s->Ldtr.Limit : s->GdtLimit;
        uint offset = (uint)(selector & IndexMask);
        address = (local ? s->Ldtr.Base : s->GdtBase) + offset;
        if (local && ((s->Ldtr.Selector & IndexMask) == 0 || (s->Ldtr.Attributes & SegmentAttributes.Unusable) != 0)) return false;
        return offset + (wide ? 15u : 7u) <= limit;
    }

    /// <summary>Loads ES, SS, DS, FS or GS with all checks.</summary>
    public static bool Load(Cpu cpu, int segment, ushort selector)
    {
        CpuState* s = cpu.S;
        if (IsReal(s))
        {
            SetReal(cpu, segment, selector);
            return true;
        }

        if ((selector & ~RplMask) == 0)
        {
            if (segment == Seg.Ss && (!cpu.Is64 || s->Cpl == 3 || (selector & RplMask) != s->Cpl)) return cpu.RaiseGp();
            SetNull(cpu, segment, selector);
            return true;
        }

        if (!TryRead(cpu, selector, Vector.GP, out Descriptor d)) return false;
        uint error = (uint)(selector & ~RplMask);
        int rpl = selector & RplMask;
        if (segment == Seg.Ss)
        {
            if (rpl != s->Cpl || d.IsSystem || d.IsCode || !d.IsWritableOrReadable || d.Dpl != s->Cpl) return cpu.Raise(Vector.GP, error);
            if (!d.Present) return cpu.Raise(Vector.SS, error);
        }
        else
        {
            if (d.IsSystem || (d.IsCode && !d.IsWritableOrReadable)) return cpu.Raise(Vector.GP, error);
            bool checkPrivilege = !d.IsCode || !d.IsConforming;
            if (checkPrivilege && (rpl > d.Dpl || s->Cpl > d.Dpl)) return cpu.Raise(Vector.GP, error);
            if (!d.Present) return cpu.Raise(Vector.NP, error);
        }

        return SetAccessed(cpu, d) && Set(cpu, segment, selector, d);
    }

    /// <summary>Marks a segment descriptor accessed.</summary>
    public static bool SetAccessed(Cpu cpu, in Descriptor d)
    {
        if (d.IsSystem || (d.Type & 1) != 0) return true;
        return cpu.Mem.TryWriteSystem(d.Address + 5, 1, (d.Low >> 40 & 0xff) | 1);
    }

    /// <summary>Fills a segment register from a descriptor, unchecked.</summary>
    public static bool Set(Cpu cpu, int segment, ushort selector, in Descriptor d)
    {
        CpuState* s = cpu.S;
        // Blocks near the end of code are judged when they are looked up, not when the jump cache finds them.
        if (segment == Seg.Cs && CpuState.Segments(s)[segment].Limit != d.Limit) cpu.Blocks.FlushJumps();
        CpuState.Segments(s)[segment] = d.ToCache(selector);
        CpuState.Segments(s)[segment].Attributes |= SegmentAttributes.Accessed;
        // In 64-bit code the bases of CS, DS, ES and SS count as zero (Cpu keeps them so when the mode changes).
        s->R[Reg.SegmentBase + segment] = d.Base32;
        if (segment is Seg.Ss or Seg.Cs) cpu.UpdateMode();
        return true;
    }

    /// <summary>Real-address and virtual-8086 mode: base = selector · 16; limit and rights stay (or are V86's).</summary>
    public static void SetReal(Cpu cpu, int segment, ushort selector)
    {
        CpuState* s = cpu.S;
        ref SegmentCache cache = ref CpuState.Segments(s)[segment];
        cache.Selector = selector;
        s->R[Reg.SegmentBase + segment] = (ulong)selector << 4;
        if ((s->Mode & CpuMode.Virtual8086) == 0)
        {
            // A load in real mode keeps an "unreal" limit, but makes a segment that was emptied in protected mode plain data again.
            if (cache.Is(SegmentAttributes.Unusable))
            {
                cache.Limit = 0xffff;
                cache.Attributes = SegmentAttributes.Present | SegmentAttributes.S | SegmentAttributes.WritableOrReadable | SegmentAttributes.Accessed;
            }

            return;
        }

        SetVirtual8086(ref cache);
    }

    /// <summary>Limit and rights of every segment in virtual-8086 mode.</summary>
    public static void SetVirtual8086(ref SegmentCache cache)
    {
        cache.Limit = 0xffff;
        cache.Attributes = SegmentAttributes.Present | SegmentAttributes.S | (SegmentAttributes)0x63;
    }

    /// <summary>Loads a null selector.</summary>
    public static void SetNull(Cpu cpu, int segment, ushort selector)
    {
        CpuState* s = cpu.S;
        ref SegmentCache cache = ref CpuState.Segments(s)[segment];
        cache = new SegmentCache { Selector = selector, Attributes = SegmentAttributes.Unusable };
        if (segment == Seg.Ss)
        {
            // A null SS in 64-bit supervisor code still has a DPL.
            cache.Attributes |= (SegmentAttributes)((selector & RplMask) << 5);
        }

        s->R[Reg.SegmentBase + segment] = 0;
        if (segment == Seg.Ss) cpu.UpdateMode();
    }

    // ---- LGDT and friends ------------------------------------------------------------------------------------------------------------

    public static bool Lgdt(Cpu cpu, Op* op) => LoadTable(cpu, op, out cpu.S->GdtBase, out cpu.S->GdtLimit);

    public static bool Lidt(Cpu cpu, Op* op) => LoadTable(cpu, op, out cpu.S->IdtBase, out cpu.S->IdtLimit);

    public static bool Sgdt(Cpu cpu, Op* op) => StoreTable(cpu, op, cpu.S->GdtBase, cpu.S->GdtLimit);

    public static bool Sidt(Cpu cpu, Op* op) => StoreTable(cpu, op, cpu.S->IdtBase, cpu.S->IdtLimit);

    private static bool LoadTable(Cpu cpu, Op* op, out ulong tableBase, out ushort tableLimit)
    {
        (ulong oldBase, ushort oldLimit) = op->C == 0 ? (cpu.S->GdtBase, cpu.S->GdtLimit) : (cpu.S->IdtBase, cpu.S->IdtLimit);
        (tableBase, tableLimit) = (oldBase, oldLimit);
        ulong linear = cpu.LinearAddress(op);
        if (cpu.S->Cpl != 0) return cpu.RaiseGp();
        int baseBytes = cpu.Is64 ? 8 : 4;
        if (!cpu.Mem.TryRead(linear, 2, out ulong limit) || !cpu.Mem.TryRead(linear + 2, baseBytes, out ulong address)) return false;
        if (!cpu.Is64 && op->Size == 2) address &= 0xffffff;
        if (cpu.Is64 && (long)(address << 16) >> 16 != (long)address) return cpu.RaiseGp();
        tableBase = address;
        tableLimit = (ushort)limit;
        return true;
    }

    private static bool StoreTable(Cpu cpu, Op* op, ulong tableBase, ushort limit)
    {
        if (UmipBlocks(cpu)) return cpu.RaiseGp();
        ulong linear = cpu.LinearAddress(op);
        int baseBytes = cpu.Is64 ? 8 : 4;
        if (!cpu.Mem.TryProbeWrite(linear, 2 + baseBytes)) return false;
        return cpu.Mem.TryWrite(linear, 2, limit) && cpu.Mem.TryWrite(linear + 2, baseBytes, tableBase);
    }

    private static bool UmipBlocks(Cpu cpu) => cpu.S->Cpl != 0 && (cpu.S->Cr4 & Cr4.UMIP) != 0;

    /// <summary>R[A] = LDTR (C = 0), TR (1) or machine status word (2).</summary>
    public static bool ReadSystemSelector(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (op->C != 2 && IsReal(s)) return cpu.RaiseUd();
        if (UmipBlocks(cpu)) return cpu.RaiseGp();
        s->R[op->A] = op->C switch { 0 => s->Ldtr.Selector, 1 => s->Tr.Selector, _ => s->Cr0 };
        return true;
    }

    /// <summary>LLDT and LTR judge mode and privilege before they look at their operand.</summary>
    public static bool OpenSystemTable(Cpu cpu, Op* op)
    {
        if (IsReal(cpu.S)) return cpu.RaiseUd();
        return cpu.S->Cpl == 0 || cpu.RaiseGp();
    }

    public static bool Lldt(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ushort selector = (ushort)s->R[op->B];
        if ((selector & ~RplMask) == 0)
        {
            s->Ldtr = new SystemSegment { Selector = selector, Attributes = SegmentAttributes.Unusable };
            return true;
        }

        uint error = (uint)(selector & ~RplMask);
        if ((selector & TableIndicator) != 0) return cpu.Raise(Vector.GP, error);
        if (!TryRead(cpu, selector, Vector.GP, out Descriptor d, IsLong(s))) return false;
        if (!d.IsSystem || d.Type != Descriptor.Ldt) return cpu.Raise(Vector.GP, error);
        if (!d.Present) return cpu.Raise(Vector.NP, error);
        s->Ldtr = new SystemSegment { Selector = selector, Attributes = d.Attributes, Limit = d.Limit, Base = IsLong(s) ? d.Base64 : d.Base32 };
        return true;
    }

    public static bool Ltr(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ushort selector = (ushort)s->R[op->B];
        uint error = (uint)(selector & ~RplMask);
        if ((selector & ~RplMask) == 0 || (selector & TableIndicator) != 0) return cpu.Raise(Vector.GP, error);
        if (!TryRead(cpu, selector, Vector.GP, out Descriptor d, IsLong(s))) return false;
        bool available = d.IsSystem && (d.Type == Descriptor.Tss32Available || (d.Type == Descriptor.Tss16Available && !IsLong(s)));
        if (!available) return cpu.Raise(Vector.GP, error);
        if (!d.Present) return cpu.Raise(Vector.NP, error);
        if (!cpu.Mem.TryWriteSystem(d.Address + 5, 1, (d.Low >> 40 & 0xff) | 2)) return false;
        s->Tr = new SystemSegment { Selector = selector, Attributes = d.Attributes | (SegmentAttributes)2, Limit = d.Limit, Base = IsLong(s) ? d.Base64 : d.Base32 };
        return true;
    }

    // ---- looking at descriptors -----------------------------------------------------------------------------------------------------

    /// <summary>LAR (C = 0) and LSL (1): A from selector R[B]; ZF says whether it was visible.</summary>
    public static bool LarLsl(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (IsReal(s)) return cpu.RaiseUd();
        if (!Visible(cpu, (ushort)s->R[op->B], op->C == 1, out Descriptor d, out bool visible)) return false;
        uint flags = Flags.Get(s) & ~Rflags.ZF;
        if (visible)
        {
            flags |= Rflags.ZF;
            ulong value = op->C == 0 ? d.Low >> 32 & 0x00ffff00 : d.Limit;
            IntegerFamily.Put(s, op->A, op->Size, value);
        }

        Flags.SetStatus(s, flags);
        return true;
    }

    /// <summary>VERR (C = 0) and VERW (1) of selector R[B].</summary>
    public static bool Verify(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (IsReal(s)) return cpu.RaiseUd();
        ushort selector = (ushort)s->R[op->B];
        if (!Peek(cpu, selector, out Descriptor d, out bool ok)) return false;
        if (ok)
        {
            int rpl = selector & RplMask;
            bool privileged = (d.IsCode && d.IsConforming) || (rpl <= d.Dpl && s->Cpl <= d.Dpl);
            ok = !d.IsSystem && privileged && (op->C == 0 ? !d.IsCode || d.IsWritableOrReadable : !d.IsCode && d.IsWritableOrReadable);
        }

        uint flags = Flags.Get(s) & ~Rflags.ZF;
        Flags.SetStatus(s, ok ? flags | Rflags.ZF : flags);
        return true;
    }

    private static bool Visible(Cpu cpu, ushort selector, bool forLimit, out Descriptor d, out bool visible)
    {
        CpuState* s = cpu.S;
        if (!Peek(cpu, selector, out d, out visible)) return false;
        if (!visible) return true;
        if (d.IsSystem)
        {
            visible = IsLong(s)
                ? d.Type is Descriptor.Ldt or Descriptor.Tss32Available or Descriptor.Tss32Busy || (!forLimit && d.Type == Descriptor.CallGate32)
                : d.Type is Descriptor.Ldt or Descriptor.Tss16Available or Descriptor.Tss16Busy or Descriptor.Tss32Available or Descriptor.Tss32Busy
                    || (!forLimit && d.Type is Descriptor.CallGate16 or Descriptor.CallGate32 or Descriptor.TaskGate && !forLimit);
        }

        bool conforming = d.IsCode && d.IsConforming;
        visible &= conforming || ((selector & RplMask) <= d.Dpl && s->Cpl <= d.Dpl);
        return true;
    }

    // Reads without faulting on what is only not there.
    private static bool Peek(Cpu cpu, ushort selector, out Descriptor d, out bool found)
    {
        d = default;
        found = (selector & ~RplMask) != 0 && Locate(cpu.S, selector, false, out ulong address);
        if (!found) return true;
        Locate(cpu.S, selector, false, out address);
        if (!cpu.Mem.TryReadSystem(address, 8, out ulong low)) return false;
        d = new Descriptor(low, 0, address);
        return true;
    }

    /// <summary>ARPL: raises the RPL of R[A] to that of R[B].</summary>
    public static bool Arpl(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (IsReal(s)) return cpu.RaiseUd();
        uint flags = Flags.Get(s) & ~Rflags.ZF;
        if ((s->R[op->A] & RplMask) < (s->R[op->B] & RplMask))
        {
            IntegerFamily.Put(s, op->A, 2, (s->R[op->A] & ~(ulong)RplMask) | (s->R[op->B] & RplMask));
            flags |= Rflags.ZF;
        }

        Flags.SetStatus(s, flags);
        return true;
    }
}
