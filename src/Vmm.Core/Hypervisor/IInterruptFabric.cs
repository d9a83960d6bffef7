using Vmm.Core.Interrupts;

namespace Vmm.Core.Hypervisor;

/// <summary>The user-space interrupt controllers that stand behind software vCPUs: 8259 pair, IOAPIC and one local APIC for each vCPU.</summary>
public interface IInterruptFabric : IInterruptController
{
    /// <summary>Makes the local APIC of vCPU <paramref name="index"/> and joins it to the fabric. Its initial APIC id is the index.</summary>
    ILocalApic CreateLocalApic(int index, IVcpuSignals signals);
}
