namespace Vmm.Core.Hypervisor;

/// <summary>
/// What a software vCPU sees of its local APIC (Intel SDM vol. 3 ch. 11). The MMIO page reaches the APIC over the bus; this is the
/// rest: interrupt acknowledge, CR8, MSRs. Members may be called from the vCPU's thread while other threads raise interrupts.
/// </summary>
public interface ILocalApic
{
    /// <summary>True when an interrupt above the processor priority waits (local APIC or ExtINT from the 8259). Cheap; no lock.</summary>
    bool HasInterrupt { get; }

    /// <summary>The interrupt acknowledge cycle: moves the highest interrupt from IRR to ISR (or asks the 8259). False when none waits.</summary>
    bool TryAcknowledge(out byte vector);

    /// <summary>CR8: bits 7:4 of the task priority, as a value from 0 to 15.</summary>
    byte TaskPriorityClass { get; set; }

    /// <summary>IA32_APIC_BASE (0x1b).</summary>
    ulong ApicBase { get; }

    /// <summary>Writes IA32_APIC_BASE. False: #GP (reserved bits, illegal mode change).</summary>
    bool TrySetApicBase(ulong value);

    /// <summary>Reads an x2APIC MSR (0x800 to 0x8ff) or IA32_TSC_DEADLINE (0x6e0). False: #GP.</summary>
    bool TryReadMsr(uint msr, out ulong value);

    /// <summary>Writes an x2APIC MSR or IA32_TSC_DEADLINE. False: #GP.</summary>
    bool TryWriteMsr(uint msr, ulong value);

    /// <summary>The initial APIC id.</summary>
    uint Id { get; }

    /// <summary>INIT: back to the reset state, the APIC base register kept (Intel SDM vol. 3 §11.4.7.3).</summary>
    void Init();

    /// <summary>Copies out the register page (1 KiB, the layout of the xAPIC MMIO page: register n at 16·n) for <see cref="VcpuState"/>.</summary>
    void SaveRegisters(Span<byte> page);

    /// <summary>Puts a register page back, and the timer's remaining time with it.</summary>
    /// <param name="page">As from <see cref="SaveRegisters"/> or KVM_GET_LAPIC.</param>
    /// <param name="apicBase">IA32_APIC_BASE.</param>
    /// <param name="tscDeadline">IA32_TSC_DEADLINE.</param>
    void RestoreRegisters(ReadOnlySpan<byte> page, ulong apicBase, ulong tscDeadline);
}
