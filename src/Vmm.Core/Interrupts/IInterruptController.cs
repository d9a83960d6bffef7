namespace Vmm.Core.Interrupts;

/// <summary>The machine's interrupt inputs: global system interrupts (8259 and IOAPIC pins together) and messages.</summary>
public interface IInterruptController
{
    /// <summary>Number of GSIs (24 with one IOAPIC).</summary>
    int GsiCount { get; }

    /// <summary>The wire of a GSI. GSIs below 16 reach the 8259 pair and the IOAPIC, the others the IOAPIC only.</summary>
    /// <exception cref="ArgumentOutOfRangeException">No such GSI.</exception>
    IInterruptLine Line(int gsi);

    /// <summary>Where messages go.</summary>
    IMsiSink Msi { get; }
}
