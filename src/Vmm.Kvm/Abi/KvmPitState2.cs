using System.Runtime.InteropServices;

namespace Vmm.Kvm.Abi;

/// <summary><c>struct kvm_pit_state2</c>, carried as it is.</summary>
[StructLayout(LayoutKind.Explicit, Size = 112)]
internal unsafe struct KvmPitState2
{
    [FieldOffset(0)] public fixed byte Bytes[112];
}
