namespace Vmm.Core.Hypervisor.Cpuid;

/// <summary>What CPUID answers. Immutable; the same table goes to KVM_SET_CPUID2 and to the software CPU.</summary>
public sealed class CpuidTable(IEnumerable<CpuidEntry> entries)
{
    private readonly CpuidEntry[] _entries = [.. entries.OrderBy(e => e.Leaf).ThenBy(e => e.Subleaf)];

    /// <summary>All entries, ordered by leaf and subleaf.</summary>
    public ReadOnlySpan<CpuidEntry> Entries => _entries;

    /// <summary>The answer for EAX = leaf, ECX = subleaf; all zero where there is none. (Intel's rule that an out-of-range basic leaf repeats the highest one is not followed, like AMD and KVM without the quirk.)</summary>
    public CpuidEntry Lookup(uint leaf, uint subleaf)
    {
        foreach (CpuidEntry entry in _entries)
        {
            if (entry.Leaf == leaf && (!entry.HasSubleaves || entry.Subleaf == subleaf)) return entry;
        }

        return new CpuidEntry(leaf, subleaf, false, 0, 0, 0, 0);
    }
}
