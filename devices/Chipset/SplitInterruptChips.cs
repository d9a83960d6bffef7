using Vmm.Core.Interrupts;

namespace Vmm.Devices.Chipset;

/// <summary>
/// The 8259 pair and the IOAPIC for a hypervisor that keeps only the local APICs to itself (KVM's split irqchip). The machine puts
/// <see cref="Pic"/> and <see cref="IoApic"/> on its buses, hands <see cref="IoApic.RouteChanged"/> to the hypervisor, and calls
/// <see cref="TryAcknowledge"/> and <see cref="EndOfInterrupt"/> when the hypervisor asks.
/// </summary>
public sealed class SplitInterruptChips : IInterruptController
{
    private readonly GsiLines _lines;

    /// <param name="msi">The hypervisor's message input.</param>
    /// <param name="externalInterrupt">
    /// The 8259's INTR has risen: the boot processor must look at <see cref="HasExternalInterrupt"/>. Any thread; called with the 8259's
    /// lock held, must not call back.
    /// </param>
    public SplitInterruptChips(IMsiSink msi, Action externalInterrupt)
    {
        Msi = msi;
        Pic = new I8259Pic(new IntrLine(externalInterrupt));
        IoApic = new IoApic(msi);
        _lines = new GsiLines(Pic, IoApic);
    }

    /// <summary>The 8259 pair.</summary>
    public I8259Pic Pic { get; }

    /// <summary>The IOAPIC, for GSIs 0 to 23.</summary>
    public IoApic IoApic { get; }

    /// <inheritdoc/>
    public int GsiCount => GsiLines.Count;

    /// <inheritdoc/>
    public IMsiSink Msi { get; }

    /// <summary>True while the 8259 pair asserts INTR. Cheap; no lock.</summary>
    public bool HasExternalInterrupt => Pic.HasInterrupt;

    /// <inheritdoc/>
    public IInterruptLine Line(int gsi) => _lines[gsi];

    /// <summary>The acknowledge cycle of the 8259 pair. False when the request has gone away.</summary>
    public bool TryAcknowledge(out byte vector) => Pic.TryAcknowledge(out vector);

    /// <summary>A local APIC has seen the end of a level-triggered interrupt.</summary>
    public void EndOfInterrupt(byte vector) => IoApic.EndOfInterrupt(vector);

    /// <summary>Everything back to the state after power-on; wires keep their levels.</summary>
    public void Reset()
    {
        Pic.Reset();
        IoApic.Reset();
    }

    private sealed class IntrLine(Action rises) : IInterruptLine
    {
        public bool IsAsserted { get; private set; }

        public void SetLevel(bool asserted)
        {
            bool rising = asserted && !IsAsserted;
            IsAsserted = asserted;
            if (rising) rises();
        }

        public void RestoreLevel(bool asserted) => IsAsserted = asserted;
    }
}
