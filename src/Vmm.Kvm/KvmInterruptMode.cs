namespace Vmm.Kvm;

/// <summary>Where the interrupt controllers are.</summary>
public enum KvmInterruptMode : byte
{
    /// <summary>8259 pair, IOAPIC and local APICs in the kernel.</summary>
    InKernel,

    /// <summary>Local APICs in the kernel; 8259 pair, IOAPIC and 8254 in user space, see <see cref="ISplitInterruptChips"/>.</summary>
    Split,
}
