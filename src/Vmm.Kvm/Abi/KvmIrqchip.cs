using System.Runtime.InteropServices;

namespace Vmm.Kvm.Abi;

/// <summary><c>struct kvm_irqchip</c>, the chip's own part carried as it is.</summary>
[StructLayout(LayoutKind.Explicit, Size = 520)]
internal unsafe struct KvmIrqchip
{
    public const uint KVM_IRQCHIP_PIC_MASTER = 0;
    public const uint KVM_IRQCHIP_PIC_SLAVE = 1;
    public const uint KVM_IRQCHIP_IOAPIC = 2;
    public const int ChipBytes = 512;

    [FieldOffset(0)] public uint Chip;
    [FieldOffset(8)] public fixed byte Bytes[ChipBytes];
}
