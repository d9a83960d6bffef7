using System.Diagnostics.CodeAnalysis;
using Vmm.Core.Text;

namespace Vmm.Core.Hypervisor.Cpuid;

/// <summary>
/// A CPU model as the user names it: <c>host</c> (everything the backend can do) or a level of the x86-64 psABI (§3.1.1), with
/// features added and removed: <c>x86-64-v2,+aes,-sse4.2</c>. Immutable.
/// </summary>
public sealed record CpuModel
{
    private const string V1 = "fpu tsc msr pae cx8 apic pse pge pat cmov clflush mmx fxsr sse sse2 syscall nx lm";
    private const string V2 = V1 + " sse3 ssse3 sse4.1 sse4.2 popcnt cx16 lahf-lm";
    private const string V3 = V2 + " xsave avx avx2 bmi1 bmi2 f16c fma abm movbe";

    /// <summary>
    /// What every named model also has where the backend can do it: features for the operating system, not for programs.
    /// </summary>
    private const string Platform =
        "vme de mce mca mtrr pse36 sep ss hypervisor x2apic tsc-deadline tsc-adjust pcid invpcid arat invtsc rdtscp erms fsrm smep smap umip pdpe1gb " +
        "xsaveopt xsavec xgetbv1 xsaveerptr topoext cr8legacy null-sel-clr-base lfence-always-serializing " +
        "spec-ctrl stibp ssbd md-clear arch-capabilities ibpb ibrs amd-stibp stibp-always-on amd-ssbd virt-ssbd amd-no-ssb amd-psfd btc-no auto-ibrs " +
        "ibpb-ret sbpb ibpb-brtype srso-no " +
        "kvmclock-old kvm-nopiodelay kvmclock kvm-asyncpf kvm-steal-time kvm-pv-eoi kvm-pv-unhalt kvm-pv-tlb-flush kvm-pv-ipi kvm-poll-control " +
        "kvm-pv-sched-yield kvm-asyncpf-int kvmclock-stable-bit";

    private static readonly IReadOnlyList<CpuFeature> None = [];
    private static readonly IReadOnlyList<CpuFeature> PlatformFeatures = CpuFeatures.List(Platform);

    /// <summary>Everything the backend can do.</summary>
    public static CpuModel Host { get; } = new("host", isHost: true, None);

    /// <summary>The x86-64 baseline.</summary>
    public static CpuModel X8664V1 { get; } = new("x86-64-v1", isHost: false, CpuFeatures.List(V1));

    /// <summary>With SSE4.2, POPCNT, CMPXCHG16B.</summary>
    public static CpuModel X8664V2 { get; } = new("x86-64-v2", isHost: false, CpuFeatures.List(V2));

    /// <summary>With AVX2, BMI, FMA.</summary>
    public static CpuModel X8664V3 { get; } = new("x86-64-v3", isHost: false, CpuFeatures.List(V3));

    private CpuModel(string name, bool isHost, IReadOnlyList<CpuFeature> required)
    {
        Name = name;
        IsHost = isHost;
        Required = required;
    }

    /// <summary>All models, without additions.</summary>
    public static IReadOnlyList<CpuModel> All { get; } = [Host, X8664V1, X8664V2, X8664V3];

    /// <summary>The model's name.</summary>
    public string Name { get; }

    /// <summary>True when the backend's own features are the base.</summary>
    public bool IsHost { get; }

    /// <summary>The features that make up the model; empty for <see cref="Host"/>.</summary>
    public IReadOnlyList<CpuFeature> Required { get; }

    /// <summary>What it also has where the backend can do it.</summary>
    public IReadOnlyList<CpuFeature> Optional => IsHost ? None : PlatformFeatures;

    /// <summary>Asked for with '+': must be there.</summary>
    public IReadOnlyList<CpuFeature> Added { get; init; } = None;

    /// <summary>Taken away with '-'.</summary>
    public IReadOnlyList<CpuFeature> Removed { get; init; } = None;

    /// <summary>Reads a model.</summary>
    /// <exception cref="FormatException">It is none; the message says what is wrong and names the nearest known word.</exception>
    public static CpuModel Parse(string text) => TryParse(text, out CpuModel? model, out string? error) ? model : throw new FormatException(error);

    /// <summary>Reads a model: a name, then any number of <c>+feature</c> and <c>-feature</c>, separated by commas.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out CpuModel? model, [NotNullWhen(false)] out string? error)
    {
        string[] parts = text.Split(',', StringSplitOptions.TrimEntries);
        error = null;
        model = All.FirstOrDefault(m => m.Name.Equals(parts[0], StringComparison.OrdinalIgnoreCase));
        if (model is null)
        {
            IEnumerable<string> names = All.Select(m => m.Name);
            error = $"unknown CPU model '{parts[0]}'; the models are {string.Join(", ", names)} (nearest: {Spelling.Nearest(parts[0], names)})";
            return false;
        }

        List<CpuFeature> added = [];
        List<CpuFeature> removed = [];
        foreach (string part in parts.AsSpan(1))
        {
            error = ReadChange(part, added, removed);
            if (error is null) continue;
            model = null;
            return false;
        }

        model = model with { Added = added, Removed = removed };
        return true;
    }

    /// <inheritdoc/>
    public override string ToString()
        => string.Concat(Added.Select(f => ",+" + f.Name).Concat(Removed.Select(f => ",-" + f.Name)).Prepend(Name));

    private static string? ReadChange(string part, List<CpuFeature> added, List<CpuFeature> removed)
    {
        if (part.Length < 2 || part[0] is not ('+' or '-')) return $"CPU feature '{part}' must begin with + or -";
        if (!CpuFeatures.TryFind(part.AsSpan(1), out CpuFeature feature))
            return $"unknown CPU feature '{part[1..]}' (nearest: {CpuFeatures.Nearest(part[1..])})";
        (List<CpuFeature> target, List<CpuFeature> other) = part[0] == '+' ? (added, removed) : (removed, added);
        if (other.Contains(feature)) return $"CPU feature '{feature}' is both added and removed";
        if (!target.Contains(feature)) target.Add(feature);
        return null;
    }
}
