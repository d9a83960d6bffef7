using System.Buffers.Binary;
using System.Numerics;

namespace Vmm.Cpu.State;

/// <summary>The FXSAVE image, which is also the legacy region of an XSAVE area (Intel SDM vol. 1 §10.5, §13.4).</summary>
internal static unsafe class FxArea
{
    /// <summary>Bytes of the image; FXSAVE leaves the last 96 alone.</summary>
    public const int Bytes = 512, UsedBytes = 416;

    /// <summary>Offset of MXCSR.</summary>
    public const int MxcsrOffset = 24;

    /// <summary>MXCSR bits that exist; any other one is #GP.</summary>
    public const uint MxcsrMask = 0xffff;

    private const int FcwOffset = 0, FswOffset = 2, FtwOffset = 4, FopOffset = 6, FipOffset = 8, FcsOffset = 12, FdpOffset = 16, FdsOffset = 20,
        MxcsrMaskOffset = 28, StOffset = 32, XmmOffset = 160, Slot = 16, StateBitsOffset = 512;

    private const int TopShift = 11;
    private const ushort InitialControl = 0x37f, AllEmpty = 0xffff;
    private const uint InitialMxcsr = 0x1f80;
    private const ulong XstateX87 = 1, XstateSse = 2;

    /// <summary>Writes the first <see cref="UsedBytes"/> bytes of the image.</summary>
    /// <param name="wide">64-bit instruction and data pointers (FXSAVE64, KVM) instead of selector and 32-bit offset.</param>
    /// <param name="xmmCount">16, or 8 outside 64-bit mode: the rest is left alone.</param>
    public static void Save(CpuState* s, Span<byte> area, bool wide = true, int xmmCount = 16)
    {
        Put16(area, FcwOffset, s->Fcw);
        Put16(area, FswOffset, s->Fsw);
        Put16(area, FtwOffset, AbridgedTag(s->Ftw));
        Put16(area, FopOffset, s->Fop);
        if (wide)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(area[FipOffset..], s->Fip);
            BinaryPrimitives.WriteUInt64LittleEndian(area[FdpOffset..], s->Fdp);
        }
        else
        {
            BinaryPrimitives.WriteUInt32LittleEndian(area[FipOffset..], (uint)s->Fip);
            BinaryPrimitives.WriteUInt32LittleEndian(area[FcsOffset..], s->Fcs);
            BinaryPrimitives.WriteUInt32LittleEndian(area[FdpOffset..], (uint)s->Fdp);
            BinaryPrimitives.WriteUInt32LittleEndian(area[FdsOffset..], s->Fds);
        }

        BinaryPrimitives.WriteUInt32LittleEndian(area[MxcsrOffset..], s->Mxcsr);
        BinaryPrimitives.WriteUInt32LittleEndian(area[MxcsrMaskOffset..], MxcsrMask);
        int top = s->Fsw >> TopShift & 7;
        for (int i = 0; i < 8; i++)
        {
            ulong* register = CpuState.Fpu(s) + (((top + i) & 7) * 2);
            BinaryPrimitives.WriteUInt64LittleEndian(area[(StOffset + (i * Slot))..], register[0]);
            BinaryPrimitives.WriteUInt64LittleEndian(area[(StOffset + (i * Slot) + 8)..], (ushort)register[1]);
        }

        // SAFETY: the state holds 16 XMM registers of 16 bytes one after the other.
        new ReadOnlySpan<byte>(CpuState.Xmm(s), xmmCount * Slot).CopyTo(area[XmmOffset..]);
    }

    /// <summary>Takes over an image; whoever lets a guest give it has judged MXCSR before.</summary>
    public static void Restore(CpuState* s, ReadOnlySpan<byte> area, bool wide = true, int xmmCount = 16)
    {
        RestoreX87(s, area, wide);
        s->Mxcsr = BinaryPrimitives.ReadUInt32LittleEndian(area[MxcsrOffset..]) & MxcsrMask;
        // SAFETY: as in Save.
        area.Slice(XmmOffset, xmmCount * Slot).CopyTo(new Span<byte>(CpuState.Xmm(s), xmmCount * Slot));
    }

    /// <summary>Takes over x87 and SSE state from an XSAVE area in standard format; what XSTATE_BV says is not there becomes initial.</summary>
    public static void RestoreXsave(CpuState* s, ReadOnlySpan<byte> area)
    {
        ulong bits = BinaryPrimitives.ReadUInt64LittleEndian(area[StateBitsOffset..]);
        if ((bits & XstateX87) != 0)
        {
            RestoreX87(s, area, wide: true);
        }
        else
        {
            InitializeX87(s);
            new Span<byte>(CpuState.Fpu(s), 8 * Slot).Clear();
        }

        Span<byte> xmm = new(CpuState.Xmm(s), 16 * Slot);
        if ((bits & XstateSse) != 0) area.Slice(XmmOffset, 16 * Slot).CopyTo(xmm);
        else xmm.Clear();
        // MXCSR lies in the legacy region whether or not SSE registers are there; without either component it is initial.
        s->Mxcsr = (bits & XstateSse) != 0 ? BinaryPrimitives.ReadUInt32LittleEndian(area[MxcsrOffset..]) & MxcsrMask : InitialMxcsr;
    }

    /// <summary>FNINIT: control, status, tags and pointers; the registers stay as they are.</summary>
    public static void InitializeX87(CpuState* s)
    {
        s->Fcw = InitialControl;
        s->Fsw = 0;
        s->Ftw = AllEmpty;
        s->Fop = 0;
        s->Fip = 0;
        s->Fdp = 0;
        s->Fcs = 0;
        s->Fds = 0;
    }

    private static void RestoreX87(CpuState* s, ReadOnlySpan<byte> area, bool wide)
    {
        s->Fcw = (ushort)((Get16(area, FcwOffset) & FcwWritable) | FcwFixed);
        s->Ftw = FullTag((byte)Get16(area, FtwOffset));
        s->Fop = (ushort)(Get16(area, FopOffset) & 0x7ff);
        if (wide)
        {
            s->Fip = BinaryPrimitives.ReadUInt64LittleEndian(area[FipOffset..]);
            s->Fdp = BinaryPrimitives.ReadUInt64LittleEndian(area[FdpOffset..]);
        }
        else
        {
            s->Fip = BinaryPrimitives.ReadUInt32LittleEndian(area[FipOffset..]);
            s->Fcs = Get16(area, FcsOffset);
            s->Fdp = BinaryPrimitives.ReadUInt32LittleEndian(area[FdpOffset..]);
            s->Fds = Get16(area, FdsOffset);
        }

        SetStatus(s, Get16(area, FswOffset));
        int top = s->Fsw >> TopShift & 7;
        for (int i = 0; i < 8; i++)
        {
            ulong* register = CpuState.Fpu(s) + (((top + i) & 7) * 2);
            register[0] = BinaryPrimitives.ReadUInt64LittleEndian(area[(StOffset + (i * Slot))..]);
            register[1] = Get16(area, StOffset + (i * Slot) + 8);
        }
    }

    /// <summary>Control word bits that software can change; bit 6 always reads as one.</summary>
    public const ushort FcwWritable = 0x1f3f, FcwFixed = 0x40;

    /// <summary>Loads the status word; ES and B follow from its flags and the control word's masks.</summary>
    public static void SetStatus(CpuState* s, ushort status)
    {
        FpuStatus summary = FpuStatus.ES | FpuStatus.B;
        bool pending = (status & ~s->Fcw & 0x3f) != 0;
        s->Fsw = (ushort)(pending ? status | (ushort)summary : status & ~(int)summary);
    }

    /// <summary>One bit a physical register: in use.</summary>
    private static byte AbridgedTag(ushort tag)
    {
        int used = 0;
        for (int i = 0; i < 8; i++)
        {
            if ((tag >> (i * 2) & 3) != 3) used |= 1 << i;
        }

        return (byte)used;
    }

    private static ushort FullTag(byte used)
    {
        int tag = AllEmpty;
        for (uint left = used; left != 0; left &= left - 1) tag &= ~(3 << (BitOperations.TrailingZeroCount(left) * 2));
        return (ushort)tag;
    }

    private static void Put16(Span<byte> area, int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(area[offset..], value);

    private static ushort Get16(ReadOnlySpan<byte> area, int offset) => BinaryPrimitives.ReadUInt16LittleEndian(area[offset..]);
}
