using System.Runtime.InteropServices;

namespace Vmm.Cpu.Tests.X87;

/// <summary>The 32-bit protected-mode FNSAVE image, then 16 bytes of memory operand and the RFLAGS before and after.</summary>
[StructLayout(LayoutKind.Explicit, Size = 144)]
internal unsafe struct X87Image
{
    public const int SaveBytes = 108, OperandOffset = 112, OperandBytes = 16;

    [FieldOffset(0)] public ushort Control;
    [FieldOffset(2)] public ushort ControlHigh;
    [FieldOffset(4)] public ushort Status;
    [FieldOffset(6)] public ushort StatusHigh;
    [FieldOffset(8)] public ushort Tag;
    [FieldOffset(10)] public ushort TagHigh;
    [FieldOffset(28)] public fixed byte Registers[80];
    [FieldOffset(OperandOffset)] public ulong OperandLow;
    [FieldOffset(OperandOffset + 8)] public ulong OperandHigh;
    [FieldOffset(128)] public ulong Rflags;

    public void SetSt(int i, ulong significand, ushort signExponent)
    {
        fixed (byte* registers = Registers)
        {
            Marshal.WriteInt64((nint)(registers + (i * 10)), (long)significand);
            Marshal.WriteInt16((nint)(registers + (i * 10) + 8), (short)signExponent);
        }
    }

    public readonly (ulong Significand, ushort SignExponent) St(int i)
    {
        fixed (byte* registers = Registers)
        {
            return ((ulong)Marshal.ReadInt64((nint)(registers + (i * 10))), (ushort)Marshal.ReadInt16((nint)(registers + (i * 10) + 8)));
        }
    }

    public readonly string Describe(int registers = 3)
    {
        string text = $"fcw {Control:x4} fsw {Status:x4} ftw {Tag:x4} mem {OperandHigh:x4}:{OperandLow:x16} flags {Rflags & 0x8d5:x3}";
        for (int i = 0; i < registers; i++) text += $" st{i} {St(i).SignExponent:x4}:{St(i).Significand:x16}";
        return text;
    }
}
