using System.Runtime.Intrinsics.X86;

namespace Vmm.Core.Hypervisor.Cpuid;

/// <summary>The CPUID of the machine that this process runs on.</summary>
public static class HostCpuid
{
    private const int MaximumLeaves = 0x40;
    private const uint MaximumSubleaves = 64;

    /// <summary>Reads every basic and extended leaf; the hypervisor range is left out. Empty where the process does not run on x86.</summary>
    public static CpuidTable Read()
    {
        List<CpuidEntry> entries = [];
        if (X86Base.IsSupported)
        {
            AddRange(entries, CpuidLeaf.Vendor);
            AddRange(entries, CpuidLeaf.ExtendedMaximum);
        }

        return new CpuidTable(entries);
    }

    private static void AddRange(List<CpuidEntry> entries, uint first)
    {
        uint last = Math.Min(Query(first, 0, hasSubleaves: false).Eax, first + MaximumLeaves);
        for (uint leaf = first; leaf >= first && leaf <= last; leaf++)
        {
            uint subleaves = SubleavesOf(leaf);
            for (uint subleaf = 0; subleaf < subleaves; subleaf++) entries.Add(Query(leaf, subleaf, subleaves > 1));
        }
    }

    private static uint SubleavesOf(uint leaf) => leaf switch
    {
        CpuidLeaf.CacheParameters or CpuidLeaf.AmdCacheProperties => 8,
        CpuidLeaf.ExtendedFeatures => 1 + Query(leaf, 0, hasSubleaves: true).Eax % MaximumSubleaves,
        CpuidLeaf.Topology => 3,
        CpuidLeaf.Xsave => MaximumSubleaves,
        _ => 1,
    };

    private static CpuidEntry Query(uint leaf, uint subleaf, bool hasSubleaves)
    {
        (int eax, int ebx, int ecx, int edx) = X86Base.CpuId((int)leaf, (int)subleaf);
        return new CpuidEntry(leaf, subleaf, hasSubleaves, (uint)eax, (uint)ebx, (uint)ecx, (uint)edx);
    }
}
