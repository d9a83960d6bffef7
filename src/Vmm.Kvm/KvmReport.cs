namespace Vmm.Kvm;

/// <summary>What <see cref="KvmProbe"/> found.</summary>
public sealed record KvmReport
{
    /// <summary>From so many million instructions a second on, ring 0 counts as run by the processor itself: an interpreter reaches a few.</summary>
    public const double NativeMips = 100;

    /// <summary>The device node that was looked at.</summary>
    public required string Device { get; init; }

    /// <summary>The node exists.</summary>
    public bool IsPresent { get; init; }

    /// <summary>This process may open it.</summary>
    public bool IsPermitted { get; init; }

    /// <summary>KVM_GET_API_VERSION; 0 when it was not reached.</summary>
    public int ApiVersion { get; init; }

    /// <summary>The capabilities that are used; empty when KVM was not reached.</summary>
    public IReadOnlyList<KvmCapabilityReport> Capabilities { get; init; } = [];

    /// <summary>Speed of 64-bit ring-0 code in million instructions a second; null when it could not be measured.</summary>
    public double? Ring0Mips { get; init; }

    /// <summary>One line that says why KVM cannot be used, or why ring 0 was not measured; null when all went well.</summary>
    public string? Problem { get; init; }

    /// <summary>A guest can run at all.</summary>
    public bool IsUsable => ApiVersion == KvmHypervisor.KVM_API_VERSION && Capabilities.All(c => c.IsPresent || !c.IsNeeded);

    /// <summary>The guest's kernel runs at the processor's own speed.</summary>
    public bool Ring0IsNative => Ring0Mips >= NativeMips;

    /// <summary>KVM is the better CPU here: usable, and fast in ring 0.</summary>
    public bool IsRecommended => IsUsable && Ring0IsNative;
}
