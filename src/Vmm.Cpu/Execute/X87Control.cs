using System.Buffers.Binary;
using Vmm.Cpu.Decode;
using Vmm.Cpu.Float;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Execute;

/// <summary>What stands around x87 instructions (pending exceptions, pointers), the control instructions, FXSAVE and FXRSTOR (Intel SDM vol. 1 §8.1.5 to §8.1.10, §8.3.11).</summary>
internal static unsafe class X87Control
{
    private const int RegisterBytes = 10, Registers = 8, ShortEnvironment = 14, LongEnvironment = 28, LongAll = 108, FopShift = 16, RealHighShift = 12;
    private const ushort FopMask = 0x7ff;
    private const uint ReservedHigh = 0xffff0000;
    private const byte FirstEscape = 0xd8, LastEscape = 0xdf;

    // ---- around instructions ------------------------------------------------------------------------------------------------------

    /// <summary>Step before a waiting control instruction, and WAIT itself.</summary>
    public static bool Wait(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if ((s->Fsw & (int)FpuStatus.ES) == 0 || (s->Cr0 & Cr0.NE) == 0) return true;
        return cpu.Raise(Vector.MF);
    }

    /// <summary>WAIT with CR0.TS or EM set: #NM when CR0.MP and TS are.</summary>
    public static bool WaitClosed(Cpu cpu, Op* op)
    {
        const ulong Both = Cr0.MP | Cr0.TS;
        return (cpu.S->Cr0 & Both) == Both ? cpu.Raise(Vector.NM) : Wait(cpu, op);
    }

    /// <summary>Step before a waiting instruction that leaves its address in the instruction pointer.</summary>
    public static bool Begin(Cpu cpu, Op* op)
    {
        if (!Wait(cpu, op)) return false;
        CpuState* s = cpu.S;
        s->Fip = cpu.InstructionRip(op);
        s->Fcs = CpuState.Segments(s)[Seg.Cs].Selector;
        return true;
    }

    /// <summary>Notes the address of a memory operand of the segment in B.</summary>
    public static void NoteData(Cpu cpu, Op* op, ulong linear)
    {
        CpuState* s = cpu.S;
        bool flat = cpu.Is64 && op->B is not (Seg.Fs or Seg.Gs);
        ulong offset = flat ? linear : linear - s->R[Reg.SegmentBase + op->B];
        s->Fdp = cpu.Is64 ? offset : (uint)offset;
        s->Fds = CpuState.Segments(s)[op->B].Selector;
    }

    /// <summary>The end of every non-control instruction: the opcode is kept when an exception is left pending (Intel SDM vol. 1 §8.1.9.1).</summary>
    public static bool End(Cpu cpu, Op* op)
    {
        if ((cpu.S->Fsw & (int)FpuStatus.ES) != 0) NoteOpcode(cpu, op);
        return true;
    }

    private static void NoteOpcode(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ulong rip = cpu.InstructionRip(op);
        byte escape = 0;
        for (uint i = 0; i < op->Length; i++)
        {
            ulong linear = cpu.TrimRip(rip + i + s->R[Reg.SegmentBase + Seg.Cs]);
            byte* code = cpu.Mem.Fetch(linear, out _, out bool ok);
            if (!ok) cpu.Fault = default;
            // Code that is not in RAM any more, or never was: the old opcode stays.
            if (!ok || code == null) return;
            if (escape != 0)
            {
                s->Fop = (ushort)(((escape << 8) | *code) & FopMask);
                return;
            }

            if (*code is >= FirstEscape and <= LastEscape) escape = *code;
        }
    }

    public static bool NotAvailable(Cpu cpu, Op* op) => cpu.Raise(Vector.NM);

    // ---- control --------------------------------------------------------------------------------------------------------------------

    public static bool Nothing(Cpu cpu, Op* op) => true;

    /// <summary>FINCSTP and FDECSTP.</summary>
    public static bool MoveTop(Cpu cpu, Op* op)
    {
        X87Stack.Rotate(cpu.S, op->C);
        X87Stack.ClearC1(cpu.S);
        return true;
    }

    public static bool ClearExceptions(Cpu cpu, Op* op)
    {
        cpu.S->Fsw &= (ushort)(FpuStatus.Top | FpuStatus.Conditions);
        return true;
    }

    public static bool Initialize(Cpu cpu, Op* op)
    {
        FxArea.InitializeX87(cpu.S);
        return true;
    }

    public static bool LoadControl(Cpu cpu, Op* op)
    {
        if (!cpu.Mem.TryRead(cpu.LinearAddress(op), 2, out ulong value, OnStack(op))) return false;
        SetControl(cpu.S, (ushort)value);
        return true;
    }

    private static void SetControl(CpuState* s, ushort control)
    {
        s->Fcw = (ushort)((control & FxArea.FcwWritable) | FxArea.FcwFixed);
        FxArea.SetStatus(s, s->Fsw);
    }

    public static bool StoreControl(Cpu cpu, Op* op) => cpu.Mem.TryWrite(cpu.LinearAddress(op), 2, cpu.S->Fcw, OnStack(op));

    public static bool StoreStatus(Cpu cpu, Op* op) => cpu.Mem.TryWrite(cpu.LinearAddress(op), 2, cpu.S->Fsw, OnStack(op));

    public static bool StatusToAx(Cpu cpu, Op* op)
    {
        IntegerFamily.Put(cpu.S, Reg.Rax, 2, cpu.S->Fsw);
        return true;
    }

    // ---- environment ------------------------------------------------------------------------------------------------------------------

    public static bool StoreEnvironment(Cpu cpu, Op* op)
    {
        Span<byte> image = stackalloc byte[LongEnvironment];
        image = image[..op->Size];
        EncodeEnvironment(cpu.S, image);
        if (!cpu.Mem.TryWriteBytes(cpu.LinearAddress(op), image, OnStack(op))) return false;
        SetControl(cpu.S, (ushort)(cpu.S->Fcw | (int)FloatFlags.All));
        return true;
    }

    public static bool LoadEnvironment(Cpu cpu, Op* op)
    {
        Span<byte> image = stackalloc byte[LongEnvironment];
        image = image[..op->Size];
        if (!cpu.Mem.TryReadBytes(cpu.LinearAddress(op), image, OnStack(op))) return false;
        DecodeEnvironment(cpu.S, image);
        return true;
    }

    /// <summary>FNSAVE: environment and registers, then as FNINIT.</summary>
    public static bool StoreAll(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        Span<byte> image = stackalloc byte[LongAll];
        image = image[..op->Size];
        Span<byte> registers = image[^(Registers * RegisterBytes)..];
        EncodeEnvironment(s, image[..^(Registers * RegisterBytes)]);
        for (int i = 0; i < Registers; i++)
        {
            Extended value = X87Stack.Get(s, i);
            BinaryPrimitives.WriteUInt64LittleEndian(registers[(i * RegisterBytes)..], value.Significand);
            BinaryPrimitives.WriteUInt16LittleEndian(registers[((i * RegisterBytes) + 8)..], value.SignExponent);
        }

        if (!cpu.Mem.TryWriteBytes(cpu.LinearAddress(op), image, OnStack(op))) return false;
        FxArea.InitializeX87(s);
        return true;
    }

    public static bool LoadAll(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        Span<byte> image = stackalloc byte[LongAll];
        image = image[..op->Size];
        if (!cpu.Mem.TryReadBytes(cpu.LinearAddress(op), image, OnStack(op))) return false;
        DecodeEnvironment(s, image[..^(Registers * RegisterBytes)]);
        Span<byte> registers = image[^(Registers * RegisterBytes)..];
        for (int i = 0; i < Registers; i++)
        {
            ulong* register = CpuState.Fpu(s) + (X87Stack.Physical(s, i) * 2);
            register[0] = BinaryPrimitives.ReadUInt64LittleEndian(registers[(i * RegisterBytes)..]);
            register[1] = BinaryPrimitives.ReadUInt16LittleEndian(registers[((i * RegisterBytes) + 8)..]);
        }

        return true;
    }

    private static bool IsRealFormat(CpuState* s) => (s->Mode & (CpuMode.Real | CpuMode.Virtual8086)) != 0;

    /// <summary>The four layouts: 16 or 32 bits, with selectors or with linear addresses (Intel SDM vol. 1 figures 8-9 to 8-12).</summary>
    private static void EncodeEnvironment(CpuState* s, Span<byte> image)
    {
        ushort tag = FullTag(s);
        uint fip = (uint)s->Fip, fdp = (uint)s->Fdp;
        bool real = IsRealFormat(s);
        uint realFip = fip + ((uint)s->Fcs << 4), realFdp = fdp + ((uint)s->Fds << 4);
        if (image.Length == ShortEnvironment)
        {
            ReadOnlySpan<ushort> words = real
                ?
                [
                    s->Fcw, s->Fsw, tag, (ushort)realFip, (ushort)((realFip >> 16 << RealHighShift) | s->Fop),
                    (ushort)realFdp, (ushort)(realFdp >> 16 << RealHighShift),
                ]
                : [s->Fcw, s->Fsw, tag, (ushort)fip, s->Fcs, (ushort)fdp, s->Fds];
            for (int i = 0; i < words.Length; i++) BinaryPrimitives.WriteUInt16LittleEndian(image[(i * 2)..], words[i]);
            return;
        }

        ReadOnlySpan<uint> longs = real
            ?
            [
                ReservedHigh | s->Fcw, ReservedHigh | s->Fsw, ReservedHigh | tag, ReservedHigh | (ushort)realFip, (realFip >> 16 << RealHighShift) | s->Fop,
                ReservedHigh | (ushort)realFdp, realFdp >> 16 << RealHighShift,
            ]
            : [ReservedHigh | s->Fcw, ReservedHigh | s->Fsw, ReservedHigh | tag, fip, s->Fcs | ((uint)s->Fop << FopShift), fdp, ReservedHigh | s->Fds];
        for (int i = 0; i < longs.Length; i++) BinaryPrimitives.WriteUInt32LittleEndian(image[(i * 4)..], longs[i]);
    }

    private static void DecodeEnvironment(CpuState* s, ReadOnlySpan<byte> image)
    {
        bool real = IsRealFormat(s);
        int step = image.Length == ShortEnvironment ? 2 : 4;
        uint fip = Field(image, 3, step), codeHigh = Field(image, 4, step), fdp = Field(image, 5, step), dataHigh = Field(image, 6, step);
        s->Fcw = (ushort)((Field(image, 0, step) & FxArea.FcwWritable) | FxArea.FcwFixed);
        s->Ftw = (ushort)Field(image, 2, step);
        FxArea.SetStatus(s, (ushort)Field(image, 1, step));
        if (real)
        {
            s->Fip = (ushort)fip | (codeHigh >> RealHighShift << 16);
            s->Fdp = (ushort)fdp | (dataHigh >> RealHighShift << 16);
            s->Fop = (ushort)(codeHigh & FopMask);
            s->Fcs = s->Fds = 0;
            return;
        }

        s->Fip = fip;
        s->Fdp = fdp;
        s->Fcs = (ushort)codeHigh;
        s->Fds = (ushort)dataHigh;
        if (step == 4) s->Fop = (ushort)(codeHigh >> FopShift & FopMask);
    }

    private static uint Field(ReadOnlySpan<byte> image, int index, int step)
        => step == 2 ? BinaryPrimitives.ReadUInt16LittleEndian(image[(index * 2)..]) : BinaryPrimitives.ReadUInt32LittleEndian(image[(index * 4)..]);

    /// <summary>The tag word as memory shows it: valid, zero, special or empty, by what the registers hold.</summary>
    private static ushort FullTag(CpuState* s)
    {
        const int Valid = 0, Zero = 1, Special = 2, Empty = 3;
        int tag = 0;
        for (int physical = 0; physical < Registers; physical++)
        {
            int kind = Empty;
            if ((s->Ftw >> (physical * 2) & Empty) != Empty)
            {
                ulong* register = CpuState.Fpu(s) + (physical * 2);
                Unpacked value = Unpacked.From80(new Extended(register[0], (ushort)register[1]));
                kind = value.IsZero ? Zero : value.Class == FloatClass.Finite && !value.Denormal ? Valid : Special;
            }

            tag |= kind << (physical * 2);
        }

        return (ushort)tag;
    }

    // ---- FXSAVE, FXRSTOR: Size counts the XMM registers, C says whether pointers have 64 bits ------------------------------------------

    public static bool Fxsave(Cpu cpu, Op* op)
    {
        // The last bytes are left alone, but must be open to writes as well.
        const int AreaBytes = 512;
        if (!CheckImage(cpu, op, write: true, out ulong linear) || !cpu.Mem.TryProbeWrite(linear, AreaBytes, OnStack(op))) return false;
        Span<byte> image = stackalloc byte[FxArea.UsedBytes];
        image = image[..^((16 - op->Size) * 16)];
        image.Clear();
        FxArea.Save(cpu.S, image, op->C != 0, op->Size);
        return cpu.Mem.TryWriteBytes(linear, image, OnStack(op));
    }

    public static bool Fxrstor(Cpu cpu, Op* op)
    {
        if (!CheckImage(cpu, op, write: false, out ulong linear)) return false;
        Span<byte> image = stackalloc byte[FxArea.Bytes];
        if (!cpu.Mem.TryReadBytes(linear, image, OnStack(op))) return false;
        if ((BinaryPrimitives.ReadUInt32LittleEndian(image[FxArea.MxcsrOffset..]) & ~FxArea.MxcsrMask) != 0) return cpu.RaiseGp();
        FxArea.Restore(cpu.S, image, op->C != 0, op->Size);
        return true;
    }

    private static bool CheckImage(Cpu cpu, Op* op, bool write, out ulong linear)
    {
        linear = cpu.LinearAddress(op);
        if (!cpu.Is64)
        {
            // The address step could judge 255 bytes only.
            uint offset = (uint)(linear - cpu.S->R[Reg.SegmentBase + op->B]);
            if (!AddressFamily.Check(cpu, op->B, offset, FxArea.Bytes, write)) return false;
        }

        return (linear & 15) == 0 || cpu.RaiseMisaligned(linear);
    }

    private static bool OnStack(Op* op) => (op->Flags & OpFlags.Stack) != 0;
}
