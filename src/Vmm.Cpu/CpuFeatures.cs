using Vmm.Core.Hypervisor.Cpuid;

namespace Vmm.Cpu;

/// <summary>The CPUID bits that the processor itself must obey, looked up once.</summary>
internal sealed class CpuFeatures
{
    public CpuFeatures(CpuidTable table)
    {
        CpuidEntry leaf1 = table.Lookup(1, 0), leaf7 = table.Lookup(7, 0), extended = table.Lookup(0x80000001, 0), sizes = table.Lookup(0x80000008, 0), extended2 = table.Lookup(0x80000021, 0);
        Sse3 = Bit(leaf1.Ecx, 0);
        Pclmulqdq = Bit(leaf1.Ecx, 1);
        Ssse3 = Bit(leaf1.Ecx, 9);
        Cx16 = Bit(leaf1.Ecx, 13);
        Pcid = Bit(leaf1.Ecx, 17);
        Sse41 = Bit(leaf1.Ecx, 19);
        Sse42 = Bit(leaf1.Ecx, 20);
        X2Apic = Bit(leaf1.Ecx, 21);
        Movbe = Bit(leaf1.Ecx, 22);
        Popcnt = Bit(leaf1.Ecx, 23);
        TscDeadline = Bit(leaf1.Ecx, 24);
        Aes = Bit(leaf1.Ecx, 25);
        FsGsBase = Bit(leaf7.Ebx, 0);
        Smep = Bit(leaf7.Ebx, 7);
        Smap = Bit(leaf7.Ebx, 20);
        Umip = Bit(leaf7.Ecx, 2);
        Rdtscp = Bit(extended.Edx, 27);
        Nx = Bit(extended.Edx, 20);
        LahfLong = Bit(extended.Ecx, 0);
        AutoIbrs = Bit(extended2.Eax, 8);
        PhysicalBits = (int)(sizes.Eax & 0xff) is var bits and >= 32 and <= 52 ? bits : 40;
    }

    public bool Sse3 { get; }

    public bool Pclmulqdq { get; }

    public bool Ssse3 { get; }

    public bool Cx16 { get; }

    public bool Pcid { get; }

    public bool Sse41 { get; }

    public bool Sse42 { get; }

    public bool X2Apic { get; }

    public bool Movbe { get; }

    public bool Popcnt { get; }

    public bool TscDeadline { get; }

    public bool Aes { get; }

    public bool FsGsBase { get; }

    public bool Smep { get; }

    public bool Smap { get; }

    public bool Umip { get; }

    public bool Rdtscp { get; }

    public bool Nx { get; }

    public bool LahfLong { get; }

    public bool AutoIbrs { get; }

    /// <summary>MAXPHYADDR.</summary>
    public int PhysicalBits { get; }

    private static bool Bit(uint word, int bit) => (word >> bit & 1) != 0;
}
