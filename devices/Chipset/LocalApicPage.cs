using System.Buffers.Binary;
using Vmm.Core.Bus;

namespace Vmm.Devices.Chipset;

/// <summary>
/// The xAPIC register page at 0xfee00000 (Intel SDM vol. 3 §11.4.1): each vCPU meets its own local APIC there. Registers are 32 bits wide
/// and 16 bytes apart; stores must be aligned and 32 bits wide.
/// </summary>
public sealed class LocalApicPage : IBusDevice
{
    /// <summary>Where the page stands after reset. It does not move with IA32_APIC_BASE.</summary>
    public const ulong DefaultAddress = 0xfee00000;

    /// <summary>Length of the page.</summary>
    public const ulong SizeBytes = 0x1000;

    private const ulong StrideMask = 15;

    private readonly InterruptFabric _fabric;

    internal LocalApicPage(InterruptFabric fabric) => _fabric = fabric;

    /// <inheritdoc/>
    public BusResult Read(in BusAccess access, Span<byte> data)
    {
        int start = (int)(access.Offset & StrideMask);
        ulong register = access.Offset / (StrideMask + 1);
        if (start + data.Length > sizeof(uint)) return BusResult.BadWidth;
        if (register >= ApicRegister.Count || _fabric.FindApic(access.Vcpu) is not { } apic) return BusResult.NoRegister;
        if (!apic.TryReadPage((int)register, out uint value)) return BusResult.NoRegister;
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        bytes.Slice(start, data.Length).CopyTo(data);
        return BusResult.Ok;
    }

    /// <inheritdoc/>
    public BusResult Write(in BusAccess access, ReadOnlySpan<byte> data)
    {
        ulong register = access.Offset / (StrideMask + 1);
        if (data.Length != sizeof(uint)) return BusResult.BadWidth;
        if ((access.Offset & StrideMask) != 0) return BusResult.Unaligned;
        if (register >= ApicRegister.Count || _fabric.FindApic(access.Vcpu) is not { } apic) return BusResult.NoRegister;
        return apic.TryWritePage((int)register, BinaryPrimitives.ReadUInt32LittleEndian(data)) ? BusResult.Ok : BusResult.NoRegister;
    }
}
