namespace Vmm.Cpu.State;

/// <summary>Control register and EFER bits (Intel SDM vol. 3 §2.5, AMD APM vol. 2 §3.1).</summary>
internal static class Cr0
{
    public const ulong PE = 1, MP = 2, EM = 4, TS = 8, ET = 0x10, NE = 0x20, WP = 0x10000, AM = 0x40000, NW = 0x20000000, CD = 0x40000000, PG = 0x80000000;

    public const ulong Defined = PE | MP | EM | TS | ET | NE | WP | AM | NW | CD | PG;
}

/// <summary>CR4 bits.</summary>
internal static class Cr4
{
    public const ulong VME = 1, PVI = 2, TSD = 4, DE = 8, PSE = 0x10, PAE = 0x20, MCE = 0x40, PGE = 0x80, PCE = 0x100, OSFXSR = 0x200,
        OSXMMEXCPT = 0x400, UMIP = 0x800, FSGSBASE = 0x10000, PCIDE = 0x20000, OSXSAVE = 0x40000, SMEP = 0x100000, SMAP = 0x200000;
}

/// <summary>EFER bits.</summary>
internal static class Efer
{
    public const ulong SCE = 1, LME = 0x100, LMA = 0x400, NXE = 0x800, FFXSR = 0x4000, AIBRSE = 0x200000;
}
