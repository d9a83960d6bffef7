using Vmm.Core.Hypervisor;
using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Cpu;
using Vmm.Kvm;
using Vmm.Machine.Config;

namespace Vmm.Machine.Build;

/// <summary>KVM with all interrupt controllers and the 8254 in the kernel. Instructions that KVM gives up on go to the software CPU.</summary>
internal sealed class KvmPlatform : ICpuPlatform
{
    // Everything that the software CPU can do: KVM itself judges what the guest's CPUID shows.
    private readonly SoftwareEmulator _emulator = new(CpuidBuilder.Software(CpuModel.Host).Build(0));
    private readonly KvmHypervisor _hypervisor;

    /// <exception cref="HypervisorException">No KVM here, or not for this configuration.</exception>
    public KvmPlatform(MachineConfig config)
    {
        _hypervisor = new KvmHypervisor(new KvmOptions
        {
            CpuModel = config.Cpu is null ? CpuModel.Host : CpuModel.Parse(config.Cpu),
            VcpuCount = config.Vcpus,
            Emulator = _emulator,
        });
    }

    /// <inheritdoc/>
    public string Name => _hypervisor.Name;

    /// <inheritdoc/>
    public IReadOnlyList<string> Warnings => _hypervisor.Cpuid.Warnings;

    /// <inheritdoc/>
    public ulong CountInstructions(IVcpu vcpu) => (ulong)((KvmVcpu)vcpu).EmulatedInstructions;

    /// <inheritdoc/>
    public IVirtualMachine CreateMachine(Board board) => _hypervisor.CreateMachine(board.Memory);

    /// <inheritdoc/>
    public void Dispose()
    {
        _hypervisor.Dispose();
        _emulator.Dispose();
    }
}
