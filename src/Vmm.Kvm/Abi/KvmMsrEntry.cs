using System.Runtime.InteropServices;

namespace Vmm.Kvm.Abi;

/// <summary><c>struct kvm_msr_entry</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 16)]
internal struct KvmMsrEntry
{
    [FieldOffset(0)] public uint Index;
    [FieldOffset(8)] public ulong Data;
}
