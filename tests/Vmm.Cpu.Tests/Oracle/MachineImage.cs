using System.Runtime.InteropServices;

namespace Vmm.Cpu.Tests.Oracle;

/// <summary>The user-visible register state, in the layout that the emitted stubs load and store.</summary>
[StructLayout(LayoutKind.Explicit, Size = SizeBytes)]
internal unsafe struct MachineImage
{
    public const int SizeBytes = 704;
    public const int GprOffset = 0;
    public const int RipOffset = 128;
    public const int RflagsOffset = 136;
    public const int SelectorsOffset = 144;
    public const int FxOffset = 192;
    public const int FxSize = 512;

    /// <summary>RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.</summary>
    [FieldOffset(GprOffset)] public fixed ulong Gpr[16];
    [FieldOffset(RipOffset)] public ulong Rip;
    [FieldOffset(RflagsOffset)] public ulong Rflags;

    /// <summary>ES, CS, SS, DS, FS, GS.</summary>
    [FieldOffset(SelectorsOffset)] public fixed ushort Selectors[6];

    /// <summary>The FXSAVE64 area (Intel SDM vol. 1 table 10-2).</summary>
    [FieldOffset(FxOffset)] public fixed byte Fx[FxSize];

    public const int FxFcw = 0;
    public const int FxFsw = 2;
    public const int FxFtw = 4;
    public const int FxMxcsr = 24;
    public const int FxSt = 32;
    public const int FxXmm = 160;

    public ushort Fcw { get => Word(FxFcw); set => SetWord(FxFcw, value); }
    public ushort Fsw { get => Word(FxFsw); set => SetWord(FxFsw, value); }

    /// <summary>Abridged tag word: a set bit is a valid physical register.</summary>
    public byte Ftw { get => Fx[FxFtw]; set => Fx[FxFtw] = value; }

    public uint Mxcsr
    {
        get => (uint)(Word(FxMxcsr) | (Word(FxMxcsr + 2) << 16));
        set
        {
            SetWord(FxMxcsr, (ushort)value);
            SetWord(FxMxcsr + 2, (ushort)(value >> 16));
        }
    }

    private ushort Word(int offset) => (ushort)(Fx[offset] | (Fx[offset + 1] << 8));

    private void SetWord(int offset, ushort value)
    {
        Fx[offset] = (byte)value;
        Fx[offset + 1] = (byte)(value >> 8);
    }
}
