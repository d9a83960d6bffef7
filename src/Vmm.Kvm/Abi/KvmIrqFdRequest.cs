using System.Runtime.InteropServices;

namespace Vmm.Kvm.Abi;

/// <summary><c>struct kvm_irqfd</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct KvmIrqFdRequest
{
    public const uint KVM_IRQFD_FLAG_DEASSIGN = 1;
    public const uint KVM_IRQFD_FLAG_RESAMPLE = 2;

    [FieldOffset(0)] public int FileDescriptor;
    [FieldOffset(4)] public uint Gsi;
    [FieldOffset(8)] public uint Flags;
    [FieldOffset(12)] public int ResampleFileDescriptor;
}
