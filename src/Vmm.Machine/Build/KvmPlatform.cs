using Vmm.Core.Hypervisor;
using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Cpu;
using Vmm.Kvm;
using Vmm.Machine.Config;
using Vmm.Machine.Snapshot;

namespace Vmm.Machine.Build;

/// <summary>KVM with all interrupt controllers and the 8254 in the kernel. Instructions that KVM gives up on go to the software CPU.</summary>
internal sealed class KvmPlatform : ICpuPlatform
{
    // Everything that the software CPU can do: KVM itself judges what the guest's CPUID shows.
    private readonly SoftwareEmulator _emulator = new(CpuidBuilder.Software(CpuModel.Host).Build(0));
    private readonly KvmHypervisor _hypervisor;
    private readonly Func<int, CpuidTable>? _cpuid;

    /// <exception cref="HypervisorException">No KVM here, or not for this configuration.</exception>
    public KvmPlatform(MachineConfig config, SnapshotReader? saved)
    {
        _cpuid = saved is null ? null : saved.CpuidOf;
        _hypervisor = new KvmHypervisor(new KvmOptions
        {
            CpuModel = config.Cpu is null ? CpuModel.Host : CpuModel.Parse(config.Cpu),
            VcpuCount = config.Vcpus,
            Emulator = _emulator,
            Cpuid = _cpuid,
        });
    }

    /// <summary>Its <see cref="Name"/>.</summary>
    public const string CpuName = "kvm";

    /// <inheritdoc/>
    public string Name => _hypervisor.Name;

    /// <inheritdoc/>
    public IReadOnlyList<string> Warnings => _hypervisor.Cpuid.Warnings;

    /// <inheritdoc/>
    public ulong CountInstructions(IVcpu vcpu) => (ulong)((KvmVcpu)vcpu).EmulatedInstructions;

    /// <inheritdoc/>
    public CpuidTable SupportedCpuid => _hypervisor.SupportedCpuid;

    /// <inheritdoc/>
    public CpuidTable CpuidOf(int vcpu) => _cpuid?.Invoke(vcpu) ?? _hypervisor.Cpuid.Build(vcpu);

    /// <inheritdoc/>
    public ulong TscHz(IVcpu vcpu) => ((KvmVcpu)vcpu).TscFrequencyHz;

    /// <inheritdoc/>
    public bool TrySetTscHz(IVcpu vcpu, ulong hz) => ((KvmVcpu)vcpu).TrySetTscFrequency(hz);

    /// <inheritdoc/>
    public long ClockNs(SnapshotManifest saved) => saved.ClockNs;

    /// <inheritdoc/>
    public ulong ParavirtualClockNs(Board board) => ((KvmMachine)board.Machine!).Save().ClockNs;

    /// <inheritdoc/>
    public void RestoreClock(Board board, ulong ns)
    {
        KvmMachine machine = (KvmMachine)board.Machine!;
        machine.Restore(machine.Save() with { ClockNs = ns });
    }

    /// <inheritdoc/>
    public IVirtualMachine CreateMachine(Board board)
    {
        KvmMachine machine = _hypervisor.CreateKvmMachine(board.Memory);
        board.States.Add("interrupt-chips", new KvmChips(machine), static () => SnapshotJson.Default.InterruptChipsState, isLast: true);
        return machine;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _hypervisor.Dispose();
        _emulator.Dispose();
    }
}
