using System.Runtime.InteropServices;

namespace Vmm.Kvm.Abi;

/// <summary><c>struct kvm_dirty_log</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 16)]
internal struct KvmDirtyLog
{
    [FieldOffset(0)] public uint Slot;
    [FieldOffset(8)] public ulong Bitmap;
}
