using System.Runtime.InteropServices;

namespace Vmm.Kvm.Abi;

/// <summary><c>struct kvm_enable_cap</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 104)]
internal struct KvmEnableCap
{
    public const ulong KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE = 1;
    public const ulong KVM_X86_QUIRK_FIX_HYPERCALL_INSN = 1 << 5;

    [FieldOffset(0)] public uint Capability;
    [FieldOffset(8)] public ulong Argument0;
}
