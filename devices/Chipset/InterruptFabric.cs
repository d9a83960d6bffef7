using Vmm.Core.Hypervisor;
using Vmm.Core.Interrupts;
using Vmm.Core.Time;

namespace Vmm.Devices.Chipset;

/// <summary>
/// The interrupt controllers of a machine with software vCPUs, joined: 8259 pair, IOAPIC, a local APIC for each vCPU, and the message
/// bus between them (Intel SDM vol. 3 ch. 11). The machine puts <see cref="Pic"/>, <see cref="IoApic"/> and <see cref="ApicPage"/> on
/// its buses and drives the wires of <see cref="Line"/>.
/// </summary>
/// <remarks>Thread-safe; see <see cref="LocalApic"/> for the lock order.</remarks>
public sealed class InterruptFabric : IInterruptFabric, IMsiSink, IApicBus
{
    private readonly Lock _change = new();
    private readonly IClock _clock;
    private readonly GsiLines _lines;
    private LocalApic?[] _apics = [];
    private uint _lastLowest;

    /// <param name="clock">The machine's clock, for the APIC timers.</param>
    /// <param name="ioApicId">The IOAPIC's id, as in the MADT.</param>
    public InterruptFabric(IClock clock, byte ioApicId = 0)
    {
        _clock = clock;
        Pic = new I8259Pic(new IntrLine(this));
        IoApic = new IoApic(this, ioApicId);
        ApicPage = new LocalApicPage(this);
        _lines = new GsiLines(Pic, IoApic);
    }

    /// <summary>The 8259 pair.</summary>
    public I8259Pic Pic { get; }

    /// <summary>The IOAPIC, for GSIs 0 to 23.</summary>
    public IoApic IoApic { get; }

    /// <summary>The xAPIC page.</summary>
    public LocalApicPage ApicPage { get; }

    /// <inheritdoc/>
    public int GsiCount => GsiLines.Count;

    /// <inheritdoc/>
    public IMsiSink Msi => this;

    /// <inheritdoc/>
    public IInterruptLine Line(int gsi) => _lines[gsi];

    /// <inheritdoc/>
    public ILocalApic CreateLocalApic(int index, IVcpuSignals signals)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        lock (_change)
        {
            if (FindApic(index) is not null) throw new ArgumentException($"vCPU {index} has a local APIC already", nameof(index));
            LocalApic?[] apics = new LocalApic?[Math.Max(_apics.Length, index + 1)];
            _apics.CopyTo(apics, 0);
            LocalApic apic = new((uint)index, isBootProcessor: index == 0, this, signals, _clock);
            apics[index] = apic;
            Volatile.Write(ref _apics, apics);
            return apic;
        }
    }

    /// <summary>Everything back to the state after power-on; wires keep their levels.</summary>
    public void Reset()
    {
        Pic.Reset();
        IoApic.Reset();
        foreach (LocalApic? apic in Volatile.Read(ref _apics)) apic?.PowerOn();
    }

    /// <summary>Presses the NMI button: LINT1 of every local APIC.</summary>
    public void PulseNmi()
    {
        foreach (LocalApic? apic in Volatile.Read(ref _apics)) apic?.PulseLint1();
    }

    /// <inheritdoc/>
    public void Signal(in MsiMessage message, ushort requesterId)
    {
        if (ApicMessage.TryDecode(message, out ApicMessage decoded)) Deliver(decoded);
    }

    void IApicBus.Send(in ApicMessage message) => Deliver(message);

    void IApicBus.Broadcast(in ApicMessage message, LocalApic? except)
    {
        foreach (LocalApic? apic in Volatile.Read(ref _apics))
        {
            if (apic is not null && apic != except) apic.Accept(message);
        }
    }

    void IApicBus.EndOfInterrupt(byte vector) => IoApic.EndOfInterrupt(vector);

    bool IApicBus.TryAcknowledgeExternal(out byte vector) => Pic.TryAcknowledge(out vector);

    internal LocalApic? FindApic(int vcpu)
    {
        LocalApic?[] apics = Volatile.Read(ref _apics);
        return (uint)vcpu < (uint)apics.Length ? apics[vcpu] : null;
    }

    private void Deliver(in ApicMessage message)
    {
        if (message.Mode == ApicDeliveryMode.LowestPriority)
        {
            Arbitrate(message)?.Accept(message);
            return;
        }

        foreach (LocalApic? apic in Volatile.Read(ref _apics))
        {
            if (apic is not null && apic.Matches(message)) apic.Accept(message);
        }
    }

    /// <summary>The matching APIC with the lowest priority; among equals they take turns.</summary>
    private LocalApic? Arbitrate(in ApicMessage message)
    {
        LocalApic?[] apics = Volatile.Read(ref _apics);
        LocalApic? best = null;
        int bestPriority = int.MaxValue;
        uint start = Volatile.Read(ref _lastLowest);
        for (uint i = 1; i <= apics.Length; i++)
        {
            uint index = (start + i) % (uint)apics.Length;
            if (apics[index] is not { } apic || !apic.Matches(message)) continue;
            int priority = apic.ArbitrationPriority();
            if (priority < 0 || priority >= bestPriority) continue;
            best = apic;
            bestPriority = priority;
            Volatile.Write(ref _lastLowest, index);
        }

        return best;
    }

    private void DriveIntr(bool asserted, bool isRestore)
    {
        foreach (LocalApic? apic in Volatile.Read(ref _apics)) apic?.SetLint0(asserted, isRestore);
    }

    /// <summary>The 8259's INTR output, wired to LINT0 of every local APIC.</summary>
    private sealed class IntrLine(InterruptFabric fabric) : IInterruptLine
    {
        public bool IsAsserted { get; private set; }

        public void SetLevel(bool asserted)
        {
            if (IsAsserted == asserted) return;
            IsAsserted = asserted;
            fabric.DriveIntr(asserted, isRestore: false);
        }

        public void RestoreLevel(bool asserted)
        {
            IsAsserted = asserted;
            fabric.DriveIntr(asserted, isRestore: true);
        }
    }
}
