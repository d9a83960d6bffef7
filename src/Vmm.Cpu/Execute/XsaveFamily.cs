using System.Buffers.Binary;
using Iced.Intel;
using Vmm.Core.Hypervisor;
using Vmm.Cpu.Decode;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Execute;

/// <summary>
/// XGETBV, XSAVE, XSAVEOPT, XSAVEC and XRSTOR (Intel SDM vol. 1 §13.7 to §13.10), for guests of KVM whose CPUID shows them; the software CPU's
/// own guests get #UD. Size counts the XMM registers, C says whether x87 pointers have 64 bits, B is the segment.
/// </summary>
internal static unsafe class XsaveFamily
{
    private const int X87Start = 32, MxcsrStart = 24, SseStart = 160, XmmBytes = 16;
    private const uint InitialMxcsr = 0x1f80;
    private const ushort InitialControl = 0x37f;

    public static bool TryEmit(Cpu cpu, Emitter e, in Instruction i)
    {
        if (cpu.Extended is null) return false;
        switch (i.Code)
        {
            case Code.Xgetbv: e.Handler(&Xgetbv); return true;
            case Code.Xsave_mem or Code.Xsaveopt_mem: return Emit(e, i, &Xsave, write: true, wide: false);
            case Code.Xsave64_mem or Code.Xsaveopt64_mem: return Emit(e, i, &Xsave, write: true, wide: true);
            case Code.Xsavec_mem: return Emit(e, i, &Xsavec, write: true, wide: false);
            case Code.Xsavec64_mem: return Emit(e, i, &Xsavec, write: true, wide: true);
            case Code.Xrstor_mem: return Emit(e, i, &Xrstor, write: false, wide: false);
            case Code.Xrstor64_mem: return Emit(e, i, &Xrstor, write: false, wide: true);
            default: return false;
        }
    }

    private static bool Emit(Emitter e, in Instruction i, delegate*<Cpu, Op*, bool> handler, bool write, bool wide)
    {
        e.MemoryHandler(handler, i, byte.MaxValue, write, b: Emitter.SegmentIndex(i.MemorySegment), size: e.Is64 ? 16 : 8, c: wide ? 1 : 0);
        return true;
    }

    public static bool Xgetbv(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ExtendedState unit = cpu.Extended!;
        if ((s->Cr4 & Cr4.OSXSAVE) == 0) return cpu.RaiseUd();
        uint register = (uint)s->R[Reg.Rcx];
        if (register > 1) return cpu.RaiseGp();
        ulong value = register == 0 ? unit.Xcr0 : unit.InUse & unit.Xcr0;
        s->R[Reg.Rax] = (uint)value;
        s->R[Reg.Rdx] = value >> 32;
        return true;
    }

    /// <summary>XSAVE and XSAVEOPT: the optimisation is allowed, not asked for.</summary>
    public static bool Xsave(Cpu cpu, Op* op)
    {
        if (!Begin(cpu, op, out ulong linear, out ulong requested)) return false;
        ExtendedState unit = cpu.Extended!;
        Span<byte> header = stackalloc byte[sizeof(ulong)];
        if (!cpu.Mem.TryReadBytes(linear + ExtendedState.XstateBv, header)) return false;
        ulong old = BinaryPrimitives.ReadUInt64LittleEndian(header);
        if (!SaveLegacy(cpu, op, linear, requested) || !SaveComponents(cpu, linear, requested, requested, null)) return false;
        BinaryPrimitives.WriteUInt64LittleEndian(header, (old & ~requested) | (requested & unit.InUse));
        return cpu.Mem.TryWriteBytes(linear + ExtendedState.XstateBv, header);
    }

    public static bool Xsavec(Cpu cpu, Op* op)
    {
        if (!Begin(cpu, op, out ulong linear, out ulong requested)) return false;
        ulong saved = requested & cpu.Extended!.InUse;
        // MXCSR goes with SSE alone here.
        if (!SaveLegacy(cpu, op, linear, saved & ExtendedState.Legacy) || !SaveComponents(cpu, linear, requested, saved, requested)) return false;
        Span<byte> header = stackalloc byte[ExtendedState.HeaderBytes];
        header.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(header, saved);
        BinaryPrimitives.WriteUInt64LittleEndian(header[sizeof(ulong)..], requested | ExtendedState.Compacted);
        return cpu.Mem.TryWriteBytes(linear + ExtendedState.XstateBv, header);
    }

    public static bool Xrstor(Cpu cpu, Op* op)
    {
        if (!Begin(cpu, op, out ulong linear, out ulong requested)) return false;
        ExtendedState unit = cpu.Extended!;
        Span<byte> image = stackalloc byte[ExtendedState.LegacyBytes + ExtendedState.HeaderBytes];
        if (!cpu.Mem.TryReadBytes(linear, image)) return false;
        ulong present = BinaryPrimitives.ReadUInt64LittleEndian(image[ExtendedState.XstateBv..]);
        ulong format = BinaryPrimitives.ReadUInt64LittleEndian(image[ExtendedState.XcompBv..]);
        bool compacted = (format & ExtendedState.Compacted) != 0;
        ulong allowed = compacted ? format & ~ExtendedState.Compacted : unit.Xcr0;
        bool formatOk = compacted ? (allowed & ~unit.Xcr0) == 0 : format == 0;
        Span<byte> reserved = image[(ExtendedState.XcompBv + sizeof(ulong))..(compacted ? image.Length : ExtendedState.XcompBv + (2 * sizeof(ulong)))];
        if (!formatOk || (present & ~allowed) != 0 || reserved.ContainsAnyExcept((byte)0)) return cpu.RaiseGp();
        bool takesMxcsr = compacted ? (requested & present & ExtendedState.Sse) != 0 : (requested & (ExtendedState.Sse | ExtendedState.Avx)) != 0;
        uint mxcsr = BinaryPrimitives.ReadUInt32LittleEndian(image[MxcsrStart..]);
        if (takesMxcsr && (mxcsr & ~FxArea.MxcsrMask) != 0) return cpu.RaiseGp();

        // Everything is read before anything changes.
        Span<byte> incoming = stackalloc byte[VcpuState.XsaveBytes];
        ulong loaded = requested & present;
        for (int i = ExtendedState.Next(loaded, 0); i >= 0; i = ExtendedState.Next(loaded, i))
        {
            Span<byte> part = incoming.Slice(ExtendedState.Offset(i, null), unit.Component(i).Length);
            if (!cpu.Mem.TryReadBytes(linear + (uint)ExtendedState.Offset(i, compacted ? allowed : null), part)) return false;
        }

        RestoreLegacy(cpu.S, op, image, requested, present, takesMxcsr ? mxcsr : compacted && (requested & ExtendedState.Sse) != 0 ? InitialMxcsr : cpu.S->Mxcsr);
        for (int i = ExtendedState.Next(requested, 0); i >= 0; i = ExtendedState.Next(requested, i))
        {
            Span<byte> target = unit.Component(i);
            if ((loaded >> i & 1) != 0) incoming.Slice(ExtendedState.Offset(i, null), target.Length).CopyTo(target);
            else target.Clear();
        }

        unit.InUse = (unit.InUse & ~requested) | loaded | ExtendedState.Legacy;
        return true;
    }

    // The address, the components asked for, and the faults that come before any access.
    private static bool Begin(Cpu cpu, Op* op, out ulong linear, out ulong requested)
    {
        CpuState* s = cpu.S;
        linear = cpu.LinearAddress(op);
        requested = ((uint)s->R[Reg.Rax] | (s->R[Reg.Rdx] << 32)) & cpu.Extended!.Xcr0;
        if ((s->Cr4 & Cr4.OSXSAVE) == 0) return cpu.RaiseUd();
        if ((s->Cr0 & Cr0.TS) != 0) return cpu.Raise(Vector.NM);
        return (linear & (ExtendedState.HeaderBytes - 1)) == 0 || cpu.RaiseGp();
    }

    private static bool SaveLegacy(Cpu cpu, Op* op, ulong linear, ulong requested)
    {
        Span<byte> image = stackalloc byte[FxArea.Bytes];
        image.Clear();
        FxArea.Save(cpu.S, image, op->C != 0, op->Size);
        if ((requested & ExtendedState.X87) != 0
            && !(cpu.Mem.TryWriteBytes(linear, image[..MxcsrStart]) && cpu.Mem.TryWriteBytes(linear + X87Start, image[X87Start..SseStart]))) return false;
        if ((requested & (ExtendedState.Sse | ExtendedState.Avx)) != 0 && !cpu.Mem.TryWriteBytes(linear + MxcsrStart, image[MxcsrStart..X87Start])) return false;
        return (requested & ExtendedState.Sse) == 0 || cpu.Mem.TryWriteBytes(linear + SseStart, image.Slice(SseStart, op->Size * XmmBytes));
    }

    private static bool SaveComponents(Cpu cpu, ulong linear, ulong requested, ulong saved, ulong? compacted)
    {
        ExtendedState unit = cpu.Extended!;
        for (int i = ExtendedState.Next(requested, 0); i >= 0; i = ExtendedState.Next(requested, i))
        {
            if ((saved >> i & 1) != 0 && !cpu.Mem.TryWriteBytes(linear + (uint)ExtendedState.Offset(i, compacted), unit.Component(i))) return false;
        }

        return true;
    }

    private static void RestoreLegacy(CpuState* s, Op* op, ReadOnlySpan<byte> image, ulong requested, ulong present, uint mxcsr)
    {
        Span<byte> next = stackalloc byte[FxArea.Bytes];
        next.Clear();
        FxArea.Save(s, next);
        if ((requested & ExtendedState.X87) != 0)
        {
            next[..MxcsrStart].Clear();
            next[X87Start..SseStart].Clear();
            if ((present & ExtendedState.X87) != 0)
            {
                image[..MxcsrStart].CopyTo(next);
                image[X87Start..SseStart].CopyTo(next[X87Start..]);
                if (op->C == 0) DropSelectors(next);
            }
            else
            {
                BinaryPrimitives.WriteUInt16LittleEndian(next, InitialControl);
            }
        }

        if ((requested & ExtendedState.Sse) != 0)
        {
            Span<byte> xmm = next.Slice(SseStart, op->Size * XmmBytes);
            if ((present & ExtendedState.Sse) != 0) image.Slice(SseStart, xmm.Length).CopyTo(xmm);
            else xmm.Clear();
        }

        BinaryPrimitives.WriteUInt32LittleEndian(next[MxcsrStart..], mxcsr);
        FxArea.Restore(s, next);
    }

    // Selector and 32-bit offset become a 64-bit offset, which is all that is kept.
    private static void DropSelectors(Span<byte> image)
    {
        const int InstructionSelector = 12, DataSelector = 20, Bytes = 4;
        image.Slice(InstructionSelector, Bytes).Clear();
        image.Slice(DataSelector, Bytes).Clear();
    }
}
