using System.Runtime.InteropServices;

namespace Vmm.Kvm.Abi;

/// <summary><c>struct kvm_xcrs</c> with its first register; only XCR0 exists.</summary>
[StructLayout(LayoutKind.Explicit, Size = 392)]
internal struct KvmXcrs
{
    [FieldOffset(0)] public uint Count;
    [FieldOffset(8)] public uint Index;
    [FieldOffset(16)] public ulong Value;
}
