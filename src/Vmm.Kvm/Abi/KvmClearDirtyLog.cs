using System.Runtime.InteropServices;

namespace Vmm.Kvm.Abi;

/// <summary><c>struct kvm_clear_dirty_log</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 24)]
internal struct KvmClearDirtyLog
{
    [FieldOffset(0)] public uint Slot;

    /// <summary>A multiple of 64, except at the slot's end.</summary>
    [FieldOffset(4)] public uint PageCount;
    [FieldOffset(8)] public ulong FirstPage;
    [FieldOffset(16)] public ulong Bitmap;
}
