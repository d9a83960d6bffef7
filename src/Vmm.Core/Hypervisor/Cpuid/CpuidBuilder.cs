using System.Numerics;

namespace Vmm.Core.Hypervisor.Cpuid;

/// <summary>
/// Cuts the CPUID tables of a machine's vCPUs out of what a backend supports. Never shows more than that: what a model or the user
/// wanted beyond it stands in <see cref="Warnings"/> and <see cref="Errors"/>.
/// </summary>
public sealed class CpuidBuilder
{
    private const string KvmSignature = "KVMKVMKVM";
    private const int MaximumVcpus = 1 << 15;
    private const uint DuplicatedByAmd = 0x0183f3ff; // APM vol. 3 E.4.2: 8000_0001 EDX repeats these bits of leaf 1 EDX
    private const uint HttBit = 1u << 28;
    private const uint CmpLegacyBit = 1u << 1;

    private readonly CpuidTable _supported;
    private readonly CpuidOptions _options;
    private readonly CpuIdentity _identity;
    private readonly bool _isHost;
    private readonly Dictionary<CpuidWord, uint> _words = [];
    private readonly List<string> _errors = [];
    private readonly List<string> _warnings = [];

    /// <param name="model">The model that is wanted.</param>
    /// <param name="supported">Everything that the backend can do.</param>
    /// <param name="options">vCPU count, identity, address width.</param>
    /// <exception cref="ArgumentOutOfRangeException">An impossible number of vCPUs.</exception>
    public CpuidBuilder(CpuModel model, CpuidTable supported, CpuidOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.VcpuCount, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.VcpuCount, MaximumVcpus, nameof(options));
        _supported = supported;
        _options = options;
        _identity = options.Identity ?? CpuIdentity.Of(supported);
        _isHost = model.IsHost;
        Choose(model);
    }

    /// <summary>For the software CPU.</summary>
    /// <param name="model">Null: x86-64-v2.</param>
    /// <param name="options">vCPU count; the identity is <see cref="CpuIdentity.Software"/> unless given.</param>
    /// <param name="host">The host's CPUID, so that no instruction is shown which the host has not got; null to show all that is implemented.</param>
    public static CpuidBuilder Software(CpuModel? model = null, CpuidOptions? options = null, CpuidTable? host = null)
    {
        options ??= new CpuidOptions();
        return new CpuidBuilder(model ?? CpuModel.X8664V2, SoftwareCpuid.Supported(host), options with { Identity = options.Identity ?? CpuIdentity.Software });
    }

    /// <summary>Features asked for with '+' that cannot be had: the machine must not start.</summary>
    public IReadOnlyList<string> Errors => _errors;

    /// <summary>Features of the model that are missing here.</summary>
    public IReadOnlyList<string> Warnings => _warnings;

    /// <summary>True when the tables will show the feature.</summary>
    public bool Shows(CpuFeature feature) => (_words.GetValueOrDefault(feature.Word) & feature.Mask) != 0;

    /// <summary>The table of one vCPU; its APIC id is its index.</summary>
    /// <exception cref="InvalidOperationException">There are <see cref="Errors"/>.</exception>
    public CpuidTable Build(int vcpu)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(vcpu);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(vcpu, _options.VcpuCount);
        if (_errors.Count != 0) throw new InvalidOperationException(string.Join("; ", _errors));
        List<CpuidEntry> entries = [];
        foreach (CpuidEntry entry in _supported.Entries)
        {
            if (Transform(entry, (uint)vcpu) is { } shown) entries.Add(shown);
        }

        AddTopology(entries, (uint)vcpu);
        AddBrand(entries);
        return new CpuidTable(entries);
    }

    private static CpuFeature Feature(string name) => CpuFeatures.Get(name);

    private int CoreIdBits => BitOperations.Log2(BitOperations.RoundUpToPowerOf2((uint)_options.VcpuCount));

    private void Choose(CpuModel model)
    {
        if (model.IsHost)
        {
            foreach (CpuidWord word in CpuFeatures.AllWords) _words[word] = word.In(_supported);
        }

        foreach (CpuFeature feature in model.Optional.Where(f => f.IsIn(_supported))) Show(feature);
        List<string> missing = [];
        foreach (CpuFeature feature in model.Required)
        {
            if (feature.IsIn(_supported)) Show(feature);
            else if (!model.Removed.Contains(feature)) missing.Add(feature.Name);
        }

        if (missing.Count != 0) _warnings.Add($"CPU model {model.Name}: this host cannot do {string.Join(", ", missing)}");
        foreach (CpuFeature feature in model.Added)
        {
            if (feature.IsIn(_supported)) Show(feature);
            else _errors.Add($"CPU feature +{feature} is not supported here");
        }

        foreach (CpuFeature feature in model.Removed) Hide(feature);
        HideWhatLacksItsBase(model);
    }

    // The dependencies form chains of at most a few links; each pass settles at least one.
    private void HideWhatLacksItsBase(CpuModel model)
    {
        bool changed = true;
        while (changed)
        {
            changed = false;
            foreach ((CpuFeature feature, CpuFeature needs) in CpuFeatures.AllDependencies)
            {
                if (!Shows(feature) || Shows(needs)) continue;
                Hide(feature);
                changed = true;
                if (model.Added.Contains(feature)) _errors.Add($"CPU feature +{feature} needs {needs}");
            }
        }
    }

    private void Show(CpuFeature feature) => _words[feature.Word] = _words.GetValueOrDefault(feature.Word) | feature.Mask;

    private void Hide(CpuFeature feature) => _words[feature.Word] = _words.GetValueOrDefault(feature.Word) & ~feature.Mask;

    private uint Chosen(uint leaf, uint subleaf, CpuidRegister register) => _words.GetValueOrDefault(new CpuidWord(leaf, subleaf, register));

    // Null: the leaf is not shown, or is added apart.
    private CpuidEntry? Transform(CpuidEntry entry, uint apicId) => entry.Leaf switch
    {
        CpuidLeaf.Vendor => entry with
        {
            Eax = Math.Max(entry.Eax, CpuidLeaf.Topology),
            Ebx = CpuIdentity.Pack(_identity.Vendor, 0),
            Edx = CpuIdentity.Pack(_identity.Vendor, 4),
            Ecx = CpuIdentity.Pack(_identity.Vendor, 8),
        },
        CpuidLeaf.Version => Version(entry, apicId),
        CpuidLeaf.SerialNumber => null,
        CpuidLeaf.CacheParameters => _identity.IsAmd ? null : IntelCache(entry),
        CpuidLeaf.Thermal => entry with { Eax = Chosen(CpuidLeaf.Thermal, 0, CpuidRegister.Eax), Ebx = 0, Ecx = 0, Edx = 0 },
        CpuidLeaf.ExtendedFeatures => Extended(entry),
        CpuidLeaf.Topology or CpuidLeaf.TopologyV2 => null,
        CpuidLeaf.Xsave => Xsave(entry),
        CpuidLeaf.HypervisorSignature => entry with
        {
            Eax = CpuidLeaf.KvmFeatures,
            Ebx = CpuIdentity.Pack(KvmSignature, 0),
            Ecx = CpuIdentity.Pack(KvmSignature, 4),
            Edx = CpuIdentity.Pack(KvmSignature, 8),
        },
        CpuidLeaf.KvmFeatures => entry with { Eax = Chosen(CpuidLeaf.KvmFeatures, 0, CpuidRegister.Eax) },
        CpuidLeaf.ExtendedMaximum => entry with
        {
            Eax = Math.Max(entry.Eax, CpuidLeaf.AddressWidths),
            Ebx = _identity.IsAmd ? CpuIdentity.Pack(_identity.Vendor, 0) : 0,
            Edx = _identity.IsAmd ? CpuIdentity.Pack(_identity.Vendor, 4) : 0,
            Ecx = _identity.IsAmd ? CpuIdentity.Pack(_identity.Vendor, 8) : 0,
        },
        CpuidLeaf.ExtendedVersion => ExtendedVersion(entry),
        >= CpuidLeaf.BrandFirst and <= CpuidLeaf.BrandLast => null,
        CpuidLeaf.Power => entry with { Eax = 0, Ebx = 0, Ecx = 0, Edx = Chosen(CpuidLeaf.Power, 0, CpuidRegister.Edx) },
        CpuidLeaf.AddressWidths => AddressWidths(entry),
        CpuidLeaf.Svm => Shows(Feature("svm")) ? entry : null,
        CpuidLeaf.AmdCacheProperties => Shows(Feature("topoext")) ? AmdCache(entry) : null,
        CpuidLeaf.AmdTopology => Shows(Feature("topoext")) ? entry with { Eax = apicId, Ebx = apicId & 0xff, Ecx = 0, Edx = 0 } : null,
        CpuidLeaf.AmdEncryption => null,
        CpuidLeaf.AmdExtendedFeatures2 => entry with { Eax = Chosen(CpuidLeaf.AmdExtendedFeatures2, 0, CpuidRegister.Eax) },
        CpuidLeaf.CacheDescriptors or CpuidLeaf.AmdL1Cache or CpuidLeaf.AmdL2Cache => entry,
        // The rest (performance counters, tracing, SGX, AMX tiles, …) describes features that a named model has not got.
        _ => _isHost ? entry : null,
    };

    private CpuidEntry Version(CpuidEntry entry, uint apicId)
    {
        uint count = (uint)Math.Min(_options.VcpuCount, 255);
        uint edx = Chosen(CpuidLeaf.Version, 0, CpuidRegister.Edx) & ~HttBit;
        return entry with
        {
            Eax = _identity.Signature,
            // APIC id, logical processors, CLFLUSH line in quadwords, brand index 0.
            Ebx = ((apicId & 0xff) << 24) | (count << 16) | (SoftwareCpuid.CacheLineBytes / 8 << 8),
            Ecx = Chosen(CpuidLeaf.Version, 0, CpuidRegister.Ecx) | Feature("hypervisor").Mask,
            Edx = count > 1 ? edx | HttBit : edx,
        };
    }

    private CpuidEntry? Extended(CpuidEntry entry)
    {
        // Subleaf 0 tells the highest subleaf; those with no features that have names here are shown for the host model only.
        if (entry.Subleaf > 1 && !_isHost) return null;
        return entry with
        {
            Eax = entry.Subleaf == 0 ? (_isHost ? entry.Eax : Math.Min(entry.Eax, 1)) : Chosen(entry.Leaf, entry.Subleaf, CpuidRegister.Eax),
            Ebx = entry.Subleaf == 0 ? Chosen(entry.Leaf, 0, CpuidRegister.Ebx) : _isHost ? entry.Ebx : 0,
            Ecx = entry.Subleaf == 0 ? Chosen(entry.Leaf, 0, CpuidRegister.Ecx) : _isHost ? entry.Ecx : 0,
            Edx = entry.Subleaf == 0 ? Chosen(entry.Leaf, 0, CpuidRegister.Edx) : _isHost ? entry.Edx : 0,
        };
    }

    private CpuidEntry? Xsave(CpuidEntry entry)
    {
        CpuFeature xsave = Feature("xsave");
        // A paravirtual KVM does not list XSAVE but shows it to the guest all the same; the components must then be there too.
        if (_isHost && !xsave.IsIn(_supported)) return entry;
        if (!Shows(xsave)) return null;
        XsaveComponents components = ShownComponents() & (XsaveComponents)_supported.Lookup(CpuidLeaf.Xsave, 0).Eax;
        bool supervisor = _isHost && Shows(Feature("xsaves"));
        CpuidEntry features = _supported.Lookup(CpuidLeaf.Xsave, 1);
        if (entry.Subleaf == 0) return entry with { Eax = (uint)components, Ebx = SizeOf(XsaveComponents.X87 | XsaveComponents.Sse), Ecx = SizeOf(components), Edx = 0 };
        if (entry.Subleaf == 1)
        {
            return entry with
            {
                Eax = Chosen(CpuidLeaf.Xsave, 1, CpuidRegister.Eax),
                Ebx = supervisor ? entry.Ebx : 0,
                Ecx = supervisor ? entry.Ecx : 0,
                Edx = supervisor ? entry.Edx : 0,
            };
        }

        if (entry.Subleaf >= 32) return null;
        uint bit = 1u << (int)entry.Subleaf;
        bool shown = ((uint)components & bit) != 0 || (supervisor && (features.Ecx & bit) != 0);
        return shown ? entry : null;
    }

    private XsaveComponents ShownComponents()
    {
        XsaveComponents components = XsaveComponents.X87 | XsaveComponents.Sse;
        if (Shows(Feature("avx"))) components |= XsaveComponents.Avx;
        if (Shows(Feature("mpx"))) components |= XsaveComponents.Mpx;
        if (Shows(Feature("avx512f"))) components |= XsaveComponents.Avx512;
        if (Shows(Feature("pku"))) components |= XsaveComponents.Pkru;
        if (Shows(Feature("amx-tile"))) components |= XsaveComponents.Amx;
        return components;
    }

    // The standard format: the end of the last component; the legacy area and the header are 576 bytes.
    private uint SizeOf(XsaveComponents components)
    {
        uint size = 576;
        for (uint i = 2; i < 32; i++)
        {
            if (((uint)components & (1u << (int)i)) == 0) continue;
            CpuidEntry part = _supported.Lookup(CpuidLeaf.Xsave, i);
            size = Math.Max(size, part.Ebx + part.Eax);
        }

        return size;
    }

    private CpuidEntry ExtendedVersion(CpuidEntry entry)
    {
        uint ecx = Chosen(CpuidLeaf.ExtendedVersion, 0, CpuidRegister.Ecx) & ~CmpLegacyBit;
        uint edx = Chosen(CpuidLeaf.ExtendedVersion, 0, CpuidRegister.Edx);
        return entry with
        {
            Eax = _identity.Signature,
            Ebx = 0,
            Ecx = _identity.IsAmd && _options.VcpuCount > 1 ? ecx | CmpLegacyBit : ecx,
            Edx = _identity.IsAmd ? edx | (Chosen(CpuidLeaf.Version, 0, CpuidRegister.Edx) & DuplicatedByAmd) : edx,
        };
    }

    private CpuidEntry AddressWidths(CpuidEntry entry)
    {
        uint widest = entry.Eax & 0xff;
        uint physical = _options.PhysicalAddressBits is { } wanted ? Math.Min((uint)wanted, widest) : widest;
        uint amdCores = ((uint)CoreIdBits << 12) | (uint)Math.Min(_options.VcpuCount - 1, 255);
        return entry with
        {
            Eax = physical | (entry.Eax & 0xff00),
            Ebx = Chosen(CpuidLeaf.AddressWidths, 0, CpuidRegister.Ebx),
            Ecx = _identity.IsAmd ? amdCores : 0,
            Edx = 0,
        };
    }

    // SDM vol. 2 CPUID leaf 4: EAX 25:14 sharers - 1, 31:26 cores - 1, both as powers of two less one.
    private CpuidEntry IntelCache(CpuidEntry entry)
    {
        if ((entry.Eax & 0x1f) == 0) return entry;
        uint level = (entry.Eax >> 5) & 7;
        uint cores = (1u << CoreIdBits) - 1;
        uint sharers = level >= 3 ? Math.Min(cores, 0xfff) : 0;
        return entry with { Eax = (entry.Eax & 0x3fff) | (sharers << 14) | (Math.Min(cores, 0x3f) << 26) };
    }

    // APM vol. 3 E.4.15: EAX 25:14 sharers - 1.
    private CpuidEntry AmdCache(CpuidEntry entry)
    {
        if ((entry.Eax & 0x1f) == 0) return entry;
        uint level = (entry.Eax >> 5) & 7;
        uint sharers = level >= 3 ? Math.Min((uint)_options.VcpuCount - 1, 0xfff) : 0;
        return entry with { Eax = (entry.Eax & 0x3fff) | (sharers << 14) };
    }

    // Leaf 0bh: a thread level with one thread, a core level with all of them, and the end mark.
    private void AddTopology(List<CpuidEntry> entries, uint apicId)
    {
        const uint smtLevel = 1 << 8;
        const uint coreLevel = 2 << 8;
        entries.Add(new CpuidEntry(CpuidLeaf.Topology, 0, true, 0, 1, smtLevel | 0, apicId));
        entries.Add(new CpuidEntry(CpuidLeaf.Topology, 1, true, (uint)CoreIdBits, (uint)_options.VcpuCount, coreLevel | 1, apicId));
        entries.Add(new CpuidEntry(CpuidLeaf.Topology, 2, true, 0, 0, 2, apicId));
    }

    private void AddBrand(List<CpuidEntry> entries)
    {
        for (int i = 0; i < 3; i++)
        {
            int at = i * 16;
            entries.Add(new CpuidEntry(CpuidLeaf.BrandFirst + (uint)i, 0, false, CpuIdentity.Pack(_identity.Brand, at),
                CpuIdentity.Pack(_identity.Brand, at + 4), CpuIdentity.Pack(_identity.Brand, at + 8), CpuIdentity.Pack(_identity.Brand, at + 12)));
        }
    }
}
