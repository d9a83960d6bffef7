using Vmm.Core.Hypervisor;
using Vmm.Core.Interrupts;
using Vmm.Core.Memory;
using Vmm.Cpu.Decode;

namespace Vmm.Cpu;

/// <summary>A machine of software vCPUs.</summary>
public sealed class SoftwareMachine : IVirtualMachine
{
    private readonly SoftwareHypervisorOptions _options;
    private readonly GuestMemory _memory;
    private readonly CodePages _codePages = new();
    private readonly Doorbells _doorbells;

    internal SoftwareMachine(SoftwareHypervisorOptions options, GuestMemory memory)
    {
        _options = options;
        _memory = memory;
        _doorbells = new Doorbells(options.SignalEventFd);
        memory.SetCodeObserver(_codePages);
    }

    /// <inheritdoc/>
    public IInterruptController Interrupts => _options.Interrupts;

    /// <inheritdoc/>
    public IVcpu CreateVcpu(int index)
    {
        if (index is < 0 or >= CodePages.MaxCpus) throw new HypervisorException($"the software CPU has at most {CodePages.MaxCpus} vCPUs; there is no vCPU {index}");
        Cpu cpu = new(index, _memory, _codePages, _options.Cpuid(index), _options.Clock, _doorbells);
        SoftwareVcpu vcpu = new(cpu);
        cpu.Apic = _options.Interrupts.CreateLocalApic(index, vcpu);
        return vcpu;
    }

    /// <inheritdoc/>
    public bool TryBindDoorbell(ulong gpa, uint? match, int sizeBytes, int eventFd)
    {
        _doorbells.Add(gpa, match, sizeBytes, eventFd);
        return true;
    }

    /// <inheritdoc/>
    public void UnbindDoorbell(ulong gpa, uint? match, int sizeBytes, int eventFd) => _doorbells.Remove(gpa, match, sizeBytes, eventFd);

    /// <summary>Says that the dirty log was collected: stores must mark their pages again.</summary>
    public void DirtyLogCollected()
    {
        foreach (Cpu cpu in _codePages.Cpus) cpu.PostDropAllWrites();
    }

    /// <summary>The vCPUs are disposed of by their owners.</summary>
    public void Dispose() => _memory.SetCodeObserver(null);
}
