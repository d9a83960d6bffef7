using System.Buffers.Binary;
using System.Runtime.Intrinsics;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Tests.Oracle.Software;

/// <summary>Between the oracle's FXSAVE64 image and the software CPU's registers; written apart from the CPU's own FXSAVE, which is under test.</summary>
internal static unsafe class FxCodec
{
    private const ushort StatusBusyAndSummary = 0x8080;
    private const ushort ExceptionBits = 0x3f;
    private const int TopShift = 11;

    public static void Load(CpuState* s, ReadOnlySpan<byte> image)
    {
        s->Fcw = Word(image, MachineImage.FxFcw);
        ushort fsw = (ushort)(Word(image, MachineImage.FxFsw) & ~StatusBusyAndSummary);
        if ((fsw & ~s->Fcw & ExceptionBits) != 0) fsw |= StatusBusyAndSummary;
        s->Fsw = fsw;
        s->Mxcsr = BinaryPrimitives.ReadUInt32LittleEndian(image[MachineImage.FxMxcsr..]);
        int top = fsw >> TopShift & 7;
        ushort tags = 0;
        for (int st = 0; st < 8; st++)
        {
            int physical = (top + st) & 7;
            ReadOnlySpan<byte> slot = image[(MachineImage.FxSt + (16 * st))..];
            ulong significand = BinaryPrimitives.ReadUInt64LittleEndian(slot);
            ushort signExponent = Word(slot, 8);
            CpuState.Fpu(s)[physical * 2] = significand;
            CpuState.Fpu(s)[(physical * 2) + 1] = signExponent;
            bool isEmpty = (image[MachineImage.FxFtw] >> physical & 1) == 0;
            tags |= (ushort)((isEmpty ? 3 : Tag(significand, signExponent)) << (physical * 2));
        }

        s->Ftw = tags;
        for (int i = 0; i < 16; i++) CpuState.Xmm(s)[i] = Vector128.Create(image.Slice(MachineImage.FxXmm + (16 * i), 16));
    }

    public static void Store(CpuState* s, Span<byte> image)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(image[MachineImage.FxFcw..], s->Fcw);
        BinaryPrimitives.WriteUInt16LittleEndian(image[MachineImage.FxFsw..], s->Fsw);
        BinaryPrimitives.WriteUInt32LittleEndian(image[MachineImage.FxMxcsr..], s->Mxcsr);
        int top = s->Fsw >> TopShift & 7;
        byte abridged = 0;
        for (int st = 0; st < 8; st++)
        {
            int physical = (top + st) & 7;
            Span<byte> slot = image[(MachineImage.FxSt + (16 * st))..];
            BinaryPrimitives.WriteUInt64LittleEndian(slot, CpuState.Fpu(s)[physical * 2]);
            BinaryPrimitives.WriteUInt16LittleEndian(slot[8..], (ushort)CpuState.Fpu(s)[(physical * 2) + 1]);
            if ((s->Ftw >> (physical * 2) & 3) != 3) abridged |= (byte)(1 << physical);
        }

        image[MachineImage.FxFtw] = abridged;
        for (int i = 0; i < 16; i++) CpuState.Xmm(s)[i].CopyTo(image[(MachineImage.FxXmm + (16 * i))..]);
    }

    private static ushort Word(ReadOnlySpan<byte> image, int offset) => BinaryPrimitives.ReadUInt16LittleEndian(image[offset..]);

    // 0 valid, 1 zero, 2 special (Intel SDM vol. 1 §8.1.7).
    private static int Tag(ulong significand, ushort signExponent) => (signExponent & 0x7fff) switch
    {
        0 => significand == 0 ? 1 : 2,
        0x7fff => 2,
        _ => (long)significand < 0 ? 0 : 2,
    };
}
