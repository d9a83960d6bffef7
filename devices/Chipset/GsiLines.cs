using Vmm.Core.Interrupts;

namespace Vmm.Devices.Chipset;

/// <summary>
/// The wires of the global system interrupts: GSI n drives pin n of the IOAPIC and, below 16, pin n of the 8259 pair. The exceptions are
/// those of every PC: GSI 0 (the interval timer) drives 8259 pin 0 and IOAPIC pin 2, which the MADT tells as an override of ISA IRQ 0,
/// and GSI 2, the place of the 8259's cascade, is not connected.
/// </summary>
public sealed class GsiLines
{
    /// <summary>Number of GSIs.</summary>
    public const int Count = IoApic.PinCount;

    private const int TimerGsi = 0;
    private const int CascadeGsi = 2;
    private const int TimerIoApicPin = 2;

    private readonly Wire[] _wires = new Wire[Count];

    public GsiLines(I8259Pic pic, IoApic ioApic)
    {
        for (int gsi = 0; gsi < Count; gsi++)
        {
            int? picPin = gsi < I8259Pic.PinCount && gsi != CascadeGsi ? gsi : null;
            int? ioApicPin = gsi == TimerGsi ? TimerIoApicPin : gsi == CascadeGsi ? null : gsi;
            _wires[gsi] = new Wire(pic, picPin, ioApic, ioApicPin);
        }
    }

    /// <summary>The wire of a GSI.</summary>
    /// <exception cref="ArgumentOutOfRangeException">No such GSI.</exception>
    public IInterruptLine this[int gsi]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(gsi);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(gsi, Count);
            return _wires[gsi];
        }
    }

    private sealed class Wire(I8259Pic pic, int? picPin, IoApic ioApic, int? ioApicPin) : IInterruptLine
    {
        private readonly Lock _gate = new();

        public bool IsAsserted { get; private set; }

        public void SetLevel(bool asserted)
        {
            // Most calls change nothing; whoever drives a wire does so under a lock of its own.
            if (IsAsserted == asserted) return;
            lock (_gate)
            {
                IsAsserted = asserted;
                if (picPin is { } p) pic.SetPin(p, asserted);
                if (ioApicPin is { } i) ioApic.SetPin(i, asserted);
            }
        }

        public void RestoreLevel(bool asserted)
        {
            lock (_gate)
            {
                IsAsserted = asserted;
                if (picPin is { } p) pic.RestorePin(p, asserted);
                if (ioApicPin is { } i) ioApic.RestorePin(i, asserted);
            }
        }
    }
}
