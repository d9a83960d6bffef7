namespace Vmm.Firmware.Boot;

/// <summary>Bits of CR0, CR4, EFER, RFLAGS, IA32_APIC_BASE and of page table entries that a boot entry sets (Intel SDM vol. 3 §2.2, §2.5, §4.5, §10.4.4).</summary>
internal static class ControlBits
{
    public const ulong CR0_PE = 1UL << 0;
    public const ulong CR0_ET = 1UL << 4;
    public const ulong CR0_NE = 1UL << 5;
    public const ulong CR0_PG = 1UL << 31;
    public const ulong CR4_PAE = 1UL << 5;
    public const ulong EFER_LME = 1UL << 8;
    public const ulong EFER_LMA = 1UL << 10;
    public const ulong RFLAGS_FIXED = 1UL << 1;
    public const ulong APIC_BASE_DEFAULT = 0xfee00000;
    public const ulong APIC_BASE_BSP = 1UL << 8;
    public const ulong APIC_BASE_ENABLE = 1UL << 11;
    public const ulong PTE_P = 1UL << 0;
    public const ulong PTE_RW = 1UL << 1;
    public const ulong PTE_PS = 1UL << 7;
}
