namespace Vmm.Cpu.State;

/// <summary>RFLAGS bits (Intel SDM vol. 1 §3.4.3).</summary>
internal static class Rflags
{
    public const uint CF = 1, Fixed = 2, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, TF = 0x100, IF = 0x200, DF = 0x400, OF = 0x800,
        IOPL = 0x3000, NT = 0x4000, RF = 0x10000, VM = 0x20000, AC = 0x40000, VIF = 0x80000, VIP = 0x100000, ID = 0x200000;

    /// <summary>The six that arithmetic sets.</summary>
    public const uint Status = CF | PF | AF | ZF | SF | OF;

    public const int IoplShift = 12;
}
