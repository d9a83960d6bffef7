using Vmm.Core.Memory;

namespace Vmm.Core.Hypervisor;

/// <summary>A CPU to run guests on: KVM or the software CPU.</summary>
public interface IHypervisor : IDisposable
{
    /// <summary>"kvm" or "software".</summary>
    string Name { get; }

    /// <summary>A machine without vCPUs, over this memory.</summary>
    /// <exception cref="HypervisorException">The host refused.</exception>
    IVirtualMachine CreateMachine(GuestMemory memory);
}
