using Vmm.Core.Hypervisor;
using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Machine.Snapshot;

namespace Vmm.Machine.Build;

/// <summary>A CPU with the interrupt controllers and the timer that belong to it: what differs between KVM and the software CPU.</summary>
internal interface ICpuPlatform : IDisposable
{
    /// <summary>"kvm" or "software".</summary>
    string Name { get; }

    /// <summary>Lines for the user: CPU features that could not be had.</summary>
    IReadOnlyList<string> Warnings { get; }

    /// <summary>
    /// Guest instructions of a vCPU that the software CPU has executed: all of them, or on KVM those that KVM handed over. On the vCPU's thread.
    /// </summary>
    ulong CountInstructions(IVcpu vcpu);

    /// <summary>Everything that CPUID can show here.</summary>
    CpuidTable SupportedCpuid { get; }

    /// <summary>What CPUID tells a vCPU.</summary>
    CpuidTable CpuidOf(int vcpu);

    /// <summary>Ticks of a vCPU's TSC each second. On the vCPU's thread.</summary>
    ulong TscHz(IVcpu vcpu);

    /// <summary>Has a vCPU's TSC count at another rate, before the guest runs. On the vCPU's thread.</summary>
    /// <returns>False when it cannot.</returns>
    bool TrySetTscHz(IVcpu vcpu, ulong hz);

    /// <summary>Where machine time begins for a machine that goes on.</summary>
    long ClockNs(SnapshotManifest saved);

    /// <summary>The paravirtual clock of a machine that stands still.</summary>
    ulong ParavirtualClockNs(Board board);

    /// <summary>Sets the paravirtual clock of a machine that stands still, where it is one of its own.</summary>
    void RestoreClock(Board board, ulong ns);

    /// <summary>Makes the CPUs' side of a board and attaches its chips to the buses.</summary>
    /// <exception cref="HypervisorException">The host refused.</exception>
    IVirtualMachine CreateMachine(Board board);
}
