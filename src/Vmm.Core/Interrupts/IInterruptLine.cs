namespace Vmm.Core.Interrupts;

/// <summary>A wire that a device owns. What hangs at the other end (8259, IOAPIC, KVM) the device does not know. Any thread may drive it.</summary>
public interface IInterruptLine
{
    /// <summary>The level that was last driven.</summary>
    bool IsAsserted { get; }

    /// <summary>Drives the wire. Driving the level that it already has is without effect.</summary>
    void SetLevel(bool asserted);

    /// <summary>Sets the level after a restore, without an edge.</summary>
    void RestoreLevel(bool asserted);
}
