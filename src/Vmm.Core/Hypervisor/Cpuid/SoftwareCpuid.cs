namespace Vmm.Core.Hypervisor.Cpuid;

/// <summary>What the software CPU implements, as a CPUID table that models are cut from.</summary>
public static class SoftwareCpuid
{
    /// <summary>Width of guest-physical addresses.</summary>
    public const int PhysicalAddressBits = 46;

    /// <summary>Width of linear addresses: four levels of page tables.</summary>
    public const int LinearAddressBits = 48;

    /// <summary>Features that stand for instructions: shown only where the host has them too, because translated code may contain them as they are.</summary>
    private const string Instructions =
        "cmov cx8 mmx fxsr sse sse2 sse3 ssse3 sse4.1 sse4.2 pclmulqdq aes popcnt movbe cx16 lahf-lm clflush rdtscp";

    // Nothing is guessed here, so "auto-ibrs" costs nothing and spares the guest its retpolines.
    private const string System =
        "fpu de pse tsc msr pae apic sep pge pat pse36 x2apic tsc-deadline hypervisor smep erms smap umip arat syscall nx lm cr8legacy invtsc auto-ibrs " +
        "kvm-nopiodelay kvmclock kvmclock-stable-bit";

    // 32 KiB, 8 ways, 64 bytes a line (AMD APM vol. 3 E.4.5).
    private const uint L1Cache = (32u << 24) | (8u << 16) | (1u << 8) | CacheLineBytes;

    // 512 KiB, 8 ways (code 6), 64 bytes a line.
    private const uint L2Cache = (512u << 16) | (6u << 12) | (1u << 8) | CacheLineBytes;

    // 64 entries, fully associative, for 4 KiB and for 2 MiB pages.
    private const uint L1Tlb = 0xff40ff40;

    // 512 entries, 4 ways (code 4).
    private const uint L2Tlb = 0x42004200;

    internal const uint CacheLineBytes = 64;

    /// <summary>The table. Features that stand for instructions are left out where <paramref name="host"/> has not got them.</summary>
    /// <param name="host">The host's CPUID; null to show all (when nothing is copied natively).</param>
    public static CpuidTable Supported(CpuidTable? host)
    {
        IEnumerable<CpuFeature> features = CpuFeatures.List(Instructions).Where(f => host is null || f.IsIn(host)).Concat(CpuFeatures.List(System));
        Dictionary<CpuidWord, uint> words = [];
        foreach (CpuFeature feature in features) words[feature.Word] = words.GetValueOrDefault(feature.Word) | feature.Mask;
        CpuidEntry Plain(uint leaf, uint eax = 0, uint ebx = 0, uint ecx = 0, uint edx = 0) => new(leaf, 0, false,
            eax | Word(leaf, CpuidRegister.Eax), ebx | Word(leaf, CpuidRegister.Ebx), ecx | Word(leaf, CpuidRegister.Ecx), edx | Word(leaf, CpuidRegister.Edx));
        uint Word(uint leaf, CpuidRegister register) => words.GetValueOrDefault(new CpuidWord(leaf, 0, register));

        return new CpuidTable(
        [
            Plain(CpuidLeaf.Vendor, CpuidLeaf.Topology),
            Plain(CpuidLeaf.Version),
            Plain(CpuidLeaf.Thermal),
            Plain(CpuidLeaf.ExtendedFeatures) with { HasSubleaves = true },
            Plain(CpuidLeaf.HypervisorSignature, CpuidLeaf.KvmFeatures),
            Plain(CpuidLeaf.KvmFeatures),
            Plain(CpuidLeaf.ExtendedMaximum, CpuidLeaf.AmdExtendedFeatures2),
            Plain(CpuidLeaf.ExtendedVersion),
            Plain(CpuidLeaf.AmdL1Cache, L1Tlb, L1Tlb, L1Cache, L1Cache),
            Plain(CpuidLeaf.AmdL2Cache, L2Tlb, L2Tlb, L2Cache),
            Plain(CpuidLeaf.Power),
            Plain(CpuidLeaf.AddressWidths, PhysicalAddressBits | (LinearAddressBits << 8)),
            Plain(CpuidLeaf.AmdExtendedFeatures2),
        ]);
    }
}
