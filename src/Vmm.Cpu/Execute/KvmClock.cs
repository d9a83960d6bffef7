using System.Buffers.Binary;
using Vmm.Core.Memory;

namespace Vmm.Cpu.Execute;

/// <summary>
/// The paravirtual clock (Linux Documentation/virt/kvm/x86/msr.rst). The guest's TSC follows machine time, so one write of the structure holds
/// for ever.
/// </summary>
internal static unsafe class KvmClock
{
    private const int StructureBytes = 32;
    private const byte PVCLOCK_TSC_STABLE_BIT = 1;

    /// <summary>KVM_SYSTEM_TIME_NEW: bit 0 enables, the rest is the guest-physical address of pvclock_vcpu_time_info.</summary>
    public static bool SetSystemTime(Cpu cpu, ulong value)
    {
        cpu.S->KvmSystemTime = value;
        if ((value & 1) == 0) return true;
        Span<byte> data = stackalloc byte[StructureBytes];
        data.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(data, 2);
        BinaryPrimitives.WriteUInt64LittleEndian(data[8..], cpu.S->TscOffset);
        BinaryPrimitives.WriteUInt64LittleEndian(data[16..], 0);
        // system_time + ((tsc - timestamp) << shift) * mul >> 32: for a TSC of nanoseconds shift 1 and mul 2^31.
        int shift = 0;
        while (cpu.TscHz << shift <= SoftwareVcpu.TscHz) shift++;
        BinaryPrimitives.WriteUInt32LittleEndian(data[24..], (uint)(((UInt128)SoftwareVcpu.TscHz << 32) / ((UInt128)cpu.TscHz << shift)));
        data[28] = (byte)shift;
        data[29] = PVCLOCK_TSC_STABLE_BIT;
        return cpu.Memory.TryCopyIn(new GuestAddress(value & ~1UL), data);
    }

    /// <summary>KVM_WALL_CLOCK_NEW: writes the wall-clock time at which the system time was 0.</summary>
    public static bool SetWallClock(Cpu cpu, ulong value)
    {
        cpu.S->KvmWallClock = value;
        Span<byte> data = stackalloc byte[12];
        long bootNs = (cpu.UtcNowTicks * 100) - cpu.MachineTimeNs;
        BinaryPrimitives.WriteUInt32LittleEndian(data, 2);
        BinaryPrimitives.WriteUInt32LittleEndian(data[4..], (uint)(bootNs / 1_000_000_000));
        BinaryPrimitives.WriteUInt32LittleEndian(data[8..], (uint)(bootNs % 1_000_000_000));
        return cpu.Memory.TryCopyIn(new GuestAddress(value), data);
    }
}
