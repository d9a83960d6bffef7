using System.Runtime.InteropServices;

namespace Vmm.Kvm.Abi;

/// <summary><c>struct kvm_ioeventfd</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 64)]
internal struct KvmIoEventFdRequest
{
    public const uint KVM_IOEVENTFD_FLAG_DATAMATCH = 1;
    public const uint KVM_IOEVENTFD_FLAG_DEASSIGN = 4;

    [FieldOffset(0)] public ulong DataMatch;
    [FieldOffset(8)] public ulong Address;
    [FieldOffset(16)] public uint Length;
    [FieldOffset(20)] public int FileDescriptor;
    [FieldOffset(24)] public uint Flags;
}
