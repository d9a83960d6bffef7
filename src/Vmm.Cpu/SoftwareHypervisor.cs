using Vmm.Core.Hypervisor;
using Vmm.Core.Memory;

namespace Vmm.Cpu;

/// <summary>The software CPU: runs where KVM is absent or too slow.</summary>
public sealed class SoftwareHypervisor(SoftwareHypervisorOptions options) : IHypervisor
{
    /// <inheritdoc/>
    public string Name => "software";

    /// <inheritdoc/>
    public IVirtualMachine CreateMachine(GuestMemory memory) => new SoftwareMachine(options, memory);

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
