using Vmm.Core.Hypervisor;
using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Core.Time;

namespace Vmm.Cpu;

/// <summary>What a software CPU needs from the rest of the machine.</summary>
public sealed record SoftwareHypervisorOptions
{
    /// <summary>The interrupt controllers in user space.</summary>
    public required IInterruptFabric Interrupts { get; init; }

    /// <summary>Machine time: TSC, kvmclock.</summary>
    public required IClock Clock { get; init; }

    /// <summary>CPUID for each vCPU (the APIC ids differ).</summary>
    public required Func<int, CpuidTable> Cpuid { get; init; }

    /// <summary>Signals a host eventfd, for doorbells.</summary>
    public Action<int> SignalEventFd { get; init; } = static _ => { };
}
