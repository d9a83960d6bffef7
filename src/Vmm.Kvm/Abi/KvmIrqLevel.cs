using System.Runtime.InteropServices;

namespace Vmm.Kvm.Abi;

/// <summary><c>struct kvm_irq_level</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 8)]
internal struct KvmIrqLevel
{
    [FieldOffset(0)] public uint Gsi;
    [FieldOffset(4)] public uint Level;
}
