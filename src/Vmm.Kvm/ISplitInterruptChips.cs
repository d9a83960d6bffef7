namespace Vmm.Kvm;

/// <summary>What KVM asks of the user-space 8259 pair and IOAPIC when only the local APICs are in the kernel.</summary>
public interface ISplitInterruptChips
{
    /// <summary>True while the 8259 pair asserts INTR. Called on the boot processor's thread before each entry; cheap, no lock.</summary>
    bool HasExternalInterrupt { get; }

    /// <summary>The interrupt acknowledge cycle of the 8259 pair. False when the request has gone away.</summary>
    bool TryAcknowledge(out byte vector);

    /// <summary>A local APIC has seen the end of a level-triggered interrupt that came through the IOAPIC. On a vCPU's thread.</summary>
    void EndOfInterrupt(byte vector);
}
