using Vmm.Core.Hypervisor;

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

    /// <summary>Makes the CPUs' side of a board and attaches its chips to the buses.</summary>
    /// <exception cref="HypervisorException">The host refused.</exception>
    IVirtualMachine CreateMachine(Board board);
}
