using System.Runtime.InteropServices;

namespace Vmm.Kvm.Abi;

/// <summary><c>struct kvm_irq_routing_entry</c>: a GSI goes to a pin of an in-kernel chip, or is a message.</summary>
[StructLayout(LayoutKind.Explicit, Size = 48)]
internal struct KvmIrqRoutingEntry
{
    public const uint KVM_IRQ_ROUTING_IRQCHIP = 1;
    public const uint KVM_IRQ_ROUTING_MSI = 2;

    [FieldOffset(0)] public uint Gsi;
    [FieldOffset(4)] public uint Type;
    [FieldOffset(16)] public uint Chip;
    [FieldOffset(20)] public uint Pin;
    [FieldOffset(16)] public uint AddressLow;
    [FieldOffset(20)] public uint AddressHigh;
    [FieldOffset(24)] public uint Data;
}
