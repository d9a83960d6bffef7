using Vmm.Core.Hypervisor;
using Vmm.Core.Hypervisor.Cpuid;

namespace Vmm.Kvm;

/// <summary>How <see cref="KvmHypervisor"/> makes machines.</summary>
public sealed record KvmOptions
{
    /// <summary>The device node.</summary>
    public string Device { get; init; } = "/dev/kvm";

    /// <summary>The guest's CPU model.</summary>
    public CpuModel CpuModel { get; init; } = CpuModel.Host;

    /// <summary>The guest's CPUID as it was elsewhere, instead of one that is made from the model; null for that.</summary>
    public Func<int, CpuidTable>? Cpuid { get; init; }

    /// <summary>How many vCPUs the machine will have.</summary>
    public int VcpuCount { get; init; } = 1;

    /// <summary>Where the interrupt controllers are.</summary>
    public KvmInterruptMode InterruptMode { get; init; }

    /// <summary>With <see cref="KvmInterruptMode.InKernel"/>: also the 8254 and port 0x61. False when user space drives GSI 0.</summary>
    public bool InKernelPit { get; init; } = true;

    /// <summary>With <see cref="KvmInterruptMode.Split"/>: the chips in user space.</summary>
    public ISplitInterruptChips? SplitChips { get; init; }

    /// <summary>Takes the instructions that KVM's own emulator cannot execute. Null: such an instruction fails the vCPU.</summary>
    public IInstructionEmulator? Emulator { get; init; }

    /// <summary>
    /// Whether guests may be told of KVM features that need VMCALL. Null: decided by the kind of KVM. A paravirtual KVM (kvm_pvm)
    /// loops on a VMCALL in ring 0; there the features are hidden and VMCALL raises #UD.
    /// </summary>
    public bool? AllowHypercalls { get; init; }
}
