using System.Runtime.InteropServices;

namespace Vmm.Kvm.Abi;

/// <summary><c>struct kvm_clock_data</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 48)]
internal struct KvmClockData
{
    [FieldOffset(0)] public ulong ClockNs;
    [FieldOffset(8)] public uint Flags;
}
