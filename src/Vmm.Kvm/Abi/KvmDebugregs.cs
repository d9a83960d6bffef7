using System.Runtime.InteropServices;

namespace Vmm.Kvm.Abi;

/// <summary><c>struct kvm_debugregs</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 128)]
internal unsafe struct KvmDebugregs
{
    [FieldOffset(0)] public fixed ulong Db[4];
    [FieldOffset(32)] public ulong Dr6;
    [FieldOffset(40)] public ulong Dr7;
}
