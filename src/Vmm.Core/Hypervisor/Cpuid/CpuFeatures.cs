using Vmm.Core.Text;

namespace Vmm.Core.Hypervisor.Cpuid;

/// <summary>The table of feature names, and which feature is nothing without which other one.</summary>
public static class CpuFeatures
{
    // One name for each bit from 0 up, "-" where a bit has no name here (reserved, or changed by the guest itself: OSXSAVE, OSPKE).
    private static readonly (CpuidWord Word, string Names)[] Words =
    [
        (new(CpuidLeaf.Version, 0, CpuidRegister.Edx),
            "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 pn clflush - ds acpi mmx fxsr sse sse2 ss ht tm ia64 pbe"),
        (new(CpuidLeaf.Version, 0, CpuidRegister.Ecx),
            "sse3 pclmulqdq dtes64 monitor ds-cpl vmx smx est tm2 ssse3 cid - fma cx16 xtpr pdcm - pcid dca sse4.1 sse4.2 x2apic movbe popcnt " +
            "tsc-deadline aes xsave - avx f16c rdrand hypervisor"),
        (new(CpuidLeaf.Thermal, 0, CpuidRegister.Eax), "- - arat"),
        (new(CpuidLeaf.ExtendedFeatures, 0, CpuidRegister.Ebx),
            "fsgsbase tsc-adjust sgx bmi1 hle avx2 fdp-excptn-only smep bmi2 erms invpcid rtm cmt zero-fcs-fds mpx rdt-a avx512f avx512dq rdseed " +
            "adx smap avx512ifma pcommit clflushopt clwb intel-pt avx512pf avx512er avx512cd sha-ni avx512bw avx512vl"),
        (new(CpuidLeaf.ExtendedFeatures, 0, CpuidRegister.Ecx),
            "prefetchwt1 avx512vbmi umip pku - waitpkg avx512-vbmi2 shstk gfni vaes vpclmulqdq avx512-vnni avx512-bitalg tme avx512-vpopcntdq - " +
            "la57 - - - - - rdpid kl bus-lock-detect cldemote - movdiri movdir64b enqcmd sgx-lc pks"),
        (new(CpuidLeaf.ExtendedFeatures, 0, CpuidRegister.Edx),
            "- - avx512-4vnniw avx512-4fmaps fsrm uintr - - avx512-vp2intersect srbds-ctrl md-clear rtm-always-abort - tsx-force-abort serialize " +
            "hybrid tsxldtrk - pconfig arch-lbr ibt - amx-bf16 avx512-fp16 amx-tile amx-int8 spec-ctrl stibp flush-l1d arch-capabilities " +
            "core-capability ssbd"),
        (new(CpuidLeaf.ExtendedFeatures, 1, CpuidRegister.Eax),
            "sha512 sm3 sm4 rao-int avx-vnni avx512-bf16 lass cmpccxadd - - fzrm fsrs fsrc - - - - fred lkgs wrmsrns - amx-fp16 hreset avx-ifma - - lam"),
        (new(CpuidLeaf.Xsave, 1, CpuidRegister.Eax), "xsaveopt xsavec xgetbv1 xsaves xfd"),
        (new(CpuidLeaf.KvmFeatures, 0, CpuidRegister.Eax),
            "kvmclock-old kvm-nopiodelay kvm-mmu kvmclock kvm-asyncpf kvm-steal-time kvm-pv-eoi kvm-pv-unhalt - kvm-pv-tlb-flush kvm-asyncpf-vmexit " +
            "kvm-pv-ipi kvm-poll-control kvm-pv-sched-yield kvm-asyncpf-int kvm-msi-ext-dest-id kvm-hc-map-gpa-range kvm-migration-control " +
            "- - - - - - kvmclock-stable-bit"),
        (new(CpuidLeaf.ExtendedVersion, 0, CpuidRegister.Ecx),
            "lahf-lm cmp-legacy svm extapic cr8legacy abm sse4a misalignsse 3dnowprefetch osvw ibs xop skinit wdt - lwp fma4 tce - nodeid-msr - tbm " +
            "topoext perfctr-core perfctr-nb - bpext ptsc perfctr-llc mwaitx"),
        (new(CpuidLeaf.ExtendedVersion, 0, CpuidRegister.Edx),
            "- - - - - - - - - - - syscall - - - - - - - mp nx - mmxext - - fxsr-opt pdpe1gb rdtscp - lm 3dnowext 3dnow"),
        (new(CpuidLeaf.Power, 0, CpuidRegister.Edx), "- - - - - - - - invtsc"),
        (new(CpuidLeaf.AddressWidths, 0, CpuidRegister.Ebx),
            "clzero irperf xsaveerptr - rdpru - mba - - wbnoinvd - - ibpb - ibrs amd-stibp ibrs-always-on stibp-always-on ibrs-preferred ibrs-same-mode " +
            "no-efer-lmsle - - amd-ppin amd-ssbd virt-ssbd amd-no-ssb cppc amd-psfd btc-no ibpb-ret"),
        (new(CpuidLeaf.AmdExtendedFeatures2, 0, CpuidRegister.Eax),
            "no-nested-data-bp - lfence-always-serializing - - - null-sel-clr-base - auto-ibrs - - - - - - - - - - - - - - - - - - sbpb ibpb-brtype srso-no"),
    ];

    // The second is another name of the first.
    private static readonly (string Name, string Alias)[] Aliases =
    [
        ("sse3", "pni"), ("pclmulqdq", "pclmul"), ("abm", "lzcnt"), ("sha-ni", "sha"), ("tsc-deadline", "tsc-deadline-timer"), ("invtsc", "nonstop-tsc"),
        ("lm", "x86-64"), ("ht", "htt"),
    ];

    // Feature, and what it needs. Where the second is absent the first cannot be shown.
    private static readonly (string Feature, string Needs)[] Needs =
    [
        ("sse2", "sse"), ("sse3", "sse2"), ("ssse3", "sse3"), ("sse4.1", "ssse3"), ("sse4.2", "sse4.1"), ("aes", "sse2"), ("pclmulqdq", "sse2"),
        ("sha-ni", "sse2"), ("gfni", "sse2"), ("sse", "fxsr"), ("xsaveopt", "xsave"), ("xsavec", "xsave"), ("xgetbv1", "xsave"), ("xsaves", "xsavec"),
        ("xfd", "xsave"), ("pku", "xsave"), ("avx", "xsave"), ("f16c", "avx"), ("fma", "avx"), ("avx2", "avx"), ("fma4", "avx"), ("xop", "avx"),
        ("vaes", "avx"), ("vpclmulqdq", "avx"), ("avx-vnni", "avx2"), ("avx-ifma", "avx2"), ("avx512f", "avx2"), ("avx512dq", "avx512f"),
        ("avx512ifma", "avx512f"), ("avx512pf", "avx512f"), ("avx512er", "avx512f"), ("avx512cd", "avx512f"), ("avx512bw", "avx512f"),
        ("avx512vl", "avx512f"), ("avx512vbmi", "avx512f"), ("avx512-vbmi2", "avx512f"), ("avx512-vnni", "avx512f"), ("avx512-bitalg", "avx512f"),
        ("avx512-vpopcntdq", "avx512f"), ("avx512-bf16", "avx512f"), ("avx512-fp16", "avx512bw"), ("avx512-vp2intersect", "avx512f"),
        ("avx512-4vnniw", "avx512f"), ("avx512-4fmaps", "avx512f"), ("amx-tile", "xsave"), ("amx-int8", "amx-tile"), ("amx-bf16", "amx-tile"),
        ("amx-fp16", "amx-tile"), ("x2apic", "apic"), ("tsc-deadline", "apic"), ("kvmclock-stable-bit", "kvmclock"),
    ];

    // No name is longer.
    private const int LongestName = 64;

    private static readonly CpuFeature[] Table = [.. Words.SelectMany(w => NamesOf(w.Word, w.Names))];
    private static readonly Dictionary<string, CpuFeature>.AlternateLookup<ReadOnlySpan<char>> ByKey = Index();
    private static readonly (CpuFeature Feature, CpuFeature Needs)[] Dependencies = Array.ConvertAll(Needs, n => (Get(n.Feature), Get(n.Needs)));

    /// <summary>Every named feature.</summary>
    public static ReadOnlySpan<CpuFeature> All => Table;

    /// <summary>Every word that holds named features.</summary>
    public static IEnumerable<CpuidWord> AllWords => Words.Select(w => w.Word);

    /// <summary>Pairs of a feature and another one without which it cannot be.</summary>
    public static ReadOnlySpan<(CpuFeature Feature, CpuFeature Needs)> AllDependencies => Dependencies;

    /// <summary>Finds a feature by name. Case and the separators '.', '_' and '-' do not matter: sse4.1, sse4_1 and SSE4-1 are the same.</summary>
    public static bool TryFind(ReadOnlySpan<char> name, out CpuFeature feature)
    {
        feature = default;
        return name.Length <= LongestName && ByKey.TryGetValue(KeyOf(name, stackalloc char[LongestName]), out feature);
    }

    /// <summary>The known name that is spelt most like this one.</summary>
    public static string Nearest(string name) => Spelling.Nearest(name, Table.Select(f => f.Name));

    /// <summary>The feature of that name, which must be in the table.</summary>
    internal static CpuFeature Get(ReadOnlySpan<char> name)
        => TryFind(name, out CpuFeature feature) ? feature : throw new ArgumentException($"no CPU feature is called '{name}'", nameof(name));

    /// <summary>The features of a list of names with blanks between them.</summary>
    internal static IReadOnlyList<CpuFeature> List(ReadOnlySpan<char> names)
    {
        List<CpuFeature> features = new(names.Count(' ') + 1);
        foreach (Range part in names.Split(' '))
        {
            if (!names[part].IsEmpty) features.Add(Get(names[part]));
        }

        return features;
    }

    private static Dictionary<string, CpuFeature>.AlternateLookup<ReadOnlySpan<char>> Index()
    {
        Dictionary<string, CpuFeature> byKey = new(Table.Length + Aliases.Length, StringComparer.Ordinal);
        Span<char> key = stackalloc char[LongestName];
        foreach (CpuFeature feature in Table) byKey.Add(KeyOf(feature.Name, key).ToString(), feature);
        foreach ((string name, string alias) in Aliases) byKey.Add(KeyOf(alias, key).ToString(), byKey[KeyOf(name, key).ToString()]);
        return byKey.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    private static IEnumerable<CpuFeature> NamesOf(CpuidWord word, string names)
        => names.Split(' ').Select((name, bit) => new CpuFeature(name, word, bit)).Where(f => f.Name != "-");

    // Every name is ASCII.
    private static ReadOnlySpan<char> KeyOf(ReadOnlySpan<char> name, Span<char> key)
    {
        int length = 0;
        foreach (char c in name)
        {
            if (c is not ('.' or '_' or '-')) key[length++] = char.ToLowerInvariant(c);
        }

        return key[..length];
    }
}
