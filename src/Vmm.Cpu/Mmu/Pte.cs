namespace Vmm.Cpu.Mmu;

/// <summary>Page-table entry bits (Intel SDM vol. 3 §4.5).</summary>
internal static class Pte
{
    public const ulong P = 1, RW = 2, US = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100, NX = 1UL << 63;

    /// <summary>Bits 12 to 51.</summary>
    public const ulong Address = 0x000ffffffffff000;
}
