namespace Vmm.Core.Hypervisor.Cpuid;

/// <summary>What a CPUID table depends on besides the model.</summary>
public sealed record CpuidOptions
{
    /// <summary>vCPUs of the machine: one socket of so many cores with one thread each.</summary>
    public int VcpuCount { get; init; } = 1;

    /// <summary>Null: what the backend's table says.</summary>
    public CpuIdentity? Identity { get; init; }

    /// <summary>Width of guest-physical addresses; null: what the backend's table says. Never made wider than that.</summary>
    public int? PhysicalAddressBits { get; init; }
}
