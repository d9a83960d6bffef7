using Iced.Intel;
using Vmm.Core.Memory;
using Vmm.Cpu.Decode;
using Vmm.Cpu.Mmu;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Execute;

/// <summary>
/// MOVS, STOS, LODS, CMPS, SCAS, INS, OUTS with their REP prefixes. Size is the element size, A the address size, C the source segment.
/// Repeated ones work in runs that stay within one page, commit RCX, RSI and RDI after each run, and give way to interrupts between runs.
/// </summary>
internal static unsafe class StringFamily
{
    public static bool TryEmit(Emitter e, in Instruction i)
    {
        delegate*<Cpu, Op*, bool> handler;
        int size;
        switch (i.Code)
        {
            case Code.Movsb_m8_m8: handler = &Movs; size = 1; break;
            case Code.Movsw_m16_m16: handler = &Movs; size = 2; break;
            case Code.Movsd_m32_m32: handler = &Movs; size = 4; break;
            case Code.Movsq_m64_m64: handler = &Movs; size = 8; break;
            case Code.Stosb_m8_AL: handler = &Stos; size = 1; break;
            case Code.Stosw_m16_AX: handler = &Stos; size = 2; break;
            case Code.Stosd_m32_EAX: handler = &Stos; size = 4; break;
            case Code.Stosq_m64_RAX: handler = &Stos; size = 8; break;
            case Code.Lodsb_AL_m8: handler = &Lods; size = 1; break;
            case Code.Lodsw_AX_m16: handler = &Lods; size = 2; break;
            case Code.Lodsd_EAX_m32: handler = &Lods; size = 4; break;
            case Code.Lodsq_RAX_m64: handler = &Lods; size = 8; break;
            case Code.Cmpsb_m8_m8: handler = &Cmps; size = 1; break;
            case Code.Cmpsw_m16_m16: handler = &Cmps; size = 2; break;
            case Code.Cmpsd_m32_m32: handler = &Cmps; size = 4; break;
            case Code.Cmpsq_m64_m64: handler = &Cmps; size = 8; break;
            case Code.Scasb_AL_m8: handler = &Scas; size = 1; break;
            case Code.Scasw_AX_m16: handler = &Scas; size = 2; break;
            case Code.Scasd_EAX_m32: handler = &Scas; size = 4; break;
            case Code.Scasq_RAX_m64: handler = &Scas; size = 8; break;
            case Code.Insb_m8_DX: handler = &Ins; size = 1; break;
            case Code.Insw_m16_DX: handler = &Ins; size = 2; break;
            case Code.Insd_m32_DX: handler = &Ins; size = 4; break;
            case Code.Outsb_DX_m8: handler = &Outs; size = 1; break;
            case Code.Outsw_DX_m16: handler = &Outs; size = 2; break;
            case Code.Outsd_DX_m32: handler = &Outs; size = 4; break;
            default: return false;
        }

        byte segment = Seg.Ds;
        int addressBytes = 0;
        for (int operand = 0; operand < i.OpCount; operand++)
        {
            OpKind kind = i.GetOpKind(operand);
            addressBytes = kind switch
            {
                OpKind.MemorySegSI or OpKind.MemoryESDI or OpKind.MemorySegDI => 2,
                OpKind.MemorySegESI or OpKind.MemoryESEDI or OpKind.MemorySegEDI => 4,
                OpKind.MemorySegRSI or OpKind.MemoryESRDI or OpKind.MemorySegRDI => 8,
                _ => addressBytes,
            };
            if (kind is OpKind.MemorySegSI or OpKind.MemorySegESI or OpKind.MemorySegRSI) segment = Emitter.SegmentIndex(i.MemorySegment);
        }

        Op* op = e.Handler(handler, a: addressBytes, size: size, c: segment);
        if (i.HasRepePrefix) op->Flags |= OpFlags.Rep;
        if (i.HasRepnePrefix) op->Flags |= OpFlags.Repne;
        return true;
    }

    // ---- shared ------------------------------------------------------------------------------------------------------------------------

    private static ulong Mask(Op* op) => op->A switch { 2 => 0xffff, 4 => uint.MaxValue, _ => ulong.MaxValue };

    private static bool Repeats(Op* op) => (op->Flags & (OpFlags.Rep | OpFlags.Repne)) != 0;

    private static bool Backward(CpuState* s) => (s->SystemFlags & Rflags.DF) != 0;

    private static void Advance(CpuState* s, Op* op, int register, ulong elements)
    {
        ulong mask = Mask(op), bytes = elements * op->Size;
        ulong old = s->R[register], moved = (Backward(s) ? old - bytes : old + bytes) & mask;
        s->R[register] = op->A == 2 ? (old & ~mask) | moved : moved;
    }

    private static void Consume(CpuState* s, Op* op, ulong elements)
    {
        ulong mask = Mask(op), old = s->R[Reg.Rcx], left = (old - elements) & mask;
        s->R[Reg.Rcx] = op->A == 2 ? (old & ~mask) | left : left;
    }

    /// <summary>Linear address of one element at an index register.</summary>
    private static bool Locate(Cpu cpu, Op* op, int register, int segment, bool write, out ulong linear)
    {
        CpuState* s = cpu.S;
        ulong offset = s->R[register] & Mask(op);
        if (cpu.Is64)
        {
            linear = segment is Seg.Fs or Seg.Gs ? offset + s->R[Reg.SegmentBase + segment] : offset;
            return true;
        }

        linear = (offset + s->R[Reg.SegmentBase + segment]) & uint.MaxValue;
        return AddressFamily.Check(cpu, segment, (uint)offset, op->Size, write);
    }

    /// <summary>Elements from a linear address to the end of its page (or its start, going backward), at least one.</summary>
    private static ulong InPage(CpuState* s, Op* op, ulong linear)
    {
        ulong offset = linear & (GuestAddress.PageSize - 1);
        ulong elements = Backward(s) ? (offset / op->Size) + 1 : (GuestAddress.PageSize - offset) / op->Size;
        return Math.Max(elements, 1);
    }

    /// <summary>Runs are for flat 64-bit addresses only: no wrapping index registers, no limits, no watchpoints.</summary>
    private static bool FastAllowed(Cpu cpu, Op* op) => cpu.Is64 && op->A == 8 && !cpu.Mem.Watching;

    /// <summary>A repeated instruction that is not finished: interrupts may come in between; it starts again where it stands.</summary>
    private static bool Again(Cpu cpu, Op* op)
    {
        cpu.S->Rip = cpu.InstructionRip(op);
        return false;
    }

    private static bool Done(Cpu cpu, Op* op) => !Repeats(op) || (cpu.S->R[Reg.Rcx] & Mask(op)) == 0;

    private static bool MustYield(Cpu cpu) => Volatile.Read(ref cpu.S->Pending) != 0;

    // ---- instructions ----------------------------------------------------------------------------------------------------------------------

    public static bool Movs(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (Repeats(op) && Done(cpu, op)) return true;
        do
        {
            if (!Locate(cpu, op, Reg.Rsi, op->C, false, out ulong from) || !Locate(cpu, op, Reg.Rdi, Seg.Es, true, out ulong to)) return false;
            ulong count = 1;
            byte* source = null, target = null;
            if (Repeats(op) && FastAllowed(cpu, op) && !Backward(s))
            {
                count = Math.Min(s->R[Reg.Rcx], Math.Min(InPage(s, op, from), InPage(s, op, to)));
                uint bytes = (uint)count * op->Size;
                source = MemoryUnit.Readable(s, from, bytes);
                target = MemoryUnit.Writable(s, to, bytes);
                // Element by element, what was just written is read again when the target begins within the source.
                if (target > source && target < source + bytes) target = null;
            }

            if (source != null && target != null) Buffer.MemoryCopy(source, target, count * op->Size, count * op->Size);
            else if (cpu.Mem.TryRead(from, op->Size, out ulong value) && cpu.Mem.TryWrite(to, op->Size, value)) count = 1;
            else return false;
            Advance(s, op, Reg.Rsi, count);
            Advance(s, op, Reg.Rdi, count);
            if (!Repeats(op)) return true;
            Consume(s, op, count);
            if (Done(cpu, op)) return true;
        }
        while (!MustYield(cpu));
        return Again(cpu, op);
    }

    public static bool Stos(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (Repeats(op) && Done(cpu, op)) return true;
        do
        {
            if (!Locate(cpu, op, Reg.Rdi, Seg.Es, true, out ulong to)) return false;
            ulong count = 1;
            byte* target = null;
            if (Repeats(op) && FastAllowed(cpu, op) && !Backward(s))
            {
                count = Math.Min(s->R[Reg.Rcx], InPage(s, op, to));
                target = MemoryUnit.Writable(s, to, (uint)count * op->Size);
            }

            if (target != null) Fill(target, op->Size, (int)count, s->R[Reg.Rax]);
            else if (cpu.Mem.TryWrite(to, op->Size, s->R[Reg.Rax])) count = 1;
            else return false;
            Advance(s, op, Reg.Rdi, count);
            if (!Repeats(op)) return true;
            Consume(s, op, count);
            if (Done(cpu, op)) return true;
        }
        while (!MustYield(cpu));
        return Again(cpu, op);
    }

    private static void Fill(byte* target, int size, int count, ulong value)
    {
        switch (size)
        {
            case 1: new Span<byte>(target, count).Fill((byte)value); break;
            case 2: new Span<ushort>(target, count).Fill((ushort)value); break;
            case 4: new Span<uint>(target, count).Fill((uint)value); break;
            default: new Span<ulong>(target, count).Fill(value); break;
        }
    }

    public static bool Lods(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (Repeats(op) && Done(cpu, op)) return true;
        do
        {
            if (!Locate(cpu, op, Reg.Rsi, op->C, false, out ulong from) || !cpu.Mem.TryRead(from, op->Size, out ulong value)) return false;
            IntegerFamily.Put(s, Reg.Rax, op->Size, value);
            Advance(s, op, Reg.Rsi, 1);
            if (!Repeats(op)) return true;
            Consume(s, op, 1);
            if (Done(cpu, op)) return true;
        }
        while (!MustYield(cpu));
        return Again(cpu, op);
    }

    public static bool Cmps(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (Repeats(op) && Done(cpu, op)) return true;
        do
        {
            if (!Locate(cpu, op, Reg.Rsi, op->C, false, out ulong first) || !Locate(cpu, op, Reg.Rdi, Seg.Es, false, out ulong second)) return false;
            if (!cpu.Mem.TryRead(first, op->Size, out ulong a) || !cpu.Mem.TryRead(second, op->Size, out ulong b)) return false;
            Flags.Sub(s, op->Size, a, b, IntegerFamily.Trim(a - b, op->Size));
            Advance(s, op, Reg.Rsi, 1);
            Advance(s, op, Reg.Rdi, 1);
            if (!Repeats(op)) return true;
            Consume(s, op, 1);
            if (Done(cpu, op) || Flags.ZF(s) != ((op->Flags & OpFlags.Rep) != 0)) return true;
        }
        while (!MustYield(cpu));
        return Again(cpu, op);
    }

    public static bool Scas(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (Repeats(op) && Done(cpu, op)) return true;
        do
        {
            if (!Locate(cpu, op, Reg.Rdi, Seg.Es, false, out ulong at) || !cpu.Mem.TryRead(at, op->Size, out ulong b)) return false;
            ulong a = IntegerFamily.Trim(s->R[Reg.Rax], op->Size);
            Flags.Sub(s, op->Size, a, b, IntegerFamily.Trim(a - b, op->Size));
            Advance(s, op, Reg.Rdi, 1);
            if (!Repeats(op)) return true;
            Consume(s, op, 1);
            if (Done(cpu, op) || Flags.ZF(s) != ((op->Flags & OpFlags.Rep) != 0)) return true;
        }
        while (!MustYield(cpu));
        return Again(cpu, op);
    }

    public static bool Ins(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ushort port = (ushort)s->R[Reg.Rdx];
        if (!SystemFamily.PortAllowed(cpu, port, op->Size)) return false;
        if (Repeats(op) && Done(cpu, op)) return true;
        do
        {
            // The place is checked before the device gives its data away.
            if (!Locate(cpu, op, Reg.Rdi, Seg.Es, true, out ulong to) || !cpu.Mem.TryProbeWrite(to, op->Size)) return false;
            uint value = SystemFamily.In(cpu, port, op->Size);
            if (!cpu.Mem.TryWrite(to, op->Size, value)) return false;
            Advance(s, op, Reg.Rdi, 1);
            if (!Repeats(op)) return true;
            Consume(s, op, 1);
            if (Done(cpu, op)) return true;
        }
        while (!MustYield(cpu));
        return Again(cpu, op);
    }

    public static bool Outs(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ushort port = (ushort)s->R[Reg.Rdx];
        if (!SystemFamily.PortAllowed(cpu, port, op->Size)) return false;
        if (Repeats(op) && Done(cpu, op)) return true;
        do
        {
            if (!Locate(cpu, op, Reg.Rsi, op->C, false, out ulong from) || !cpu.Mem.TryRead(from, op->Size, out ulong value)) return false;
            SystemFamily.Out(cpu, port, op->Size, (uint)value);
            Advance(s, op, Reg.Rsi, 1);
            if (!Repeats(op)) return true;
            Consume(s, op, 1);
            if (Done(cpu, op)) return true;
        }
        while (!MustYield(cpu));
        return Again(cpu, op);
    }
}
