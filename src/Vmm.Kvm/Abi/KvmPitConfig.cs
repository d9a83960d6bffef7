using System.Runtime.InteropServices;

namespace Vmm.Kvm.Abi;

/// <summary><c>struct kvm_pit_config</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 64)]
internal struct KvmPitConfig
{
    /// <summary>The kernel answers port 0x61 too.</summary>
    public const uint KVM_PIT_SPEAKER_DUMMY = 1;

    [FieldOffset(0)] public uint Flags;
}
