namespace Vmm.Cpu.Mmu;

/// <summary>Page-fault error code bits (Intel SDM vol. 3 §4.7).</summary>
[Flags]
internal enum PageFault : uint
{
    None = 0,
    P = 1,
    WR = 2,
    US = 4,
    RSVD = 8,
    ID = 16,
}
