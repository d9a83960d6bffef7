using System.Buffers.Binary;
using Vmm.Core.Bus;
using Vmm.Core.Interrupts;
using Vmm.Core.State;

namespace Vmm.Devices.Chipset;

/// <summary>
/// An I/O APIC with 24 pins (Intel 82093AA; version 0x20 with the EOI register of later chipsets). It sends its interrupts as messages, so
/// that it serves local APICs of ours as well as those of KVM's split irqchip.
/// </summary>
/// <remarks>
/// Thread-safe. Its lock comes before a local APIC's (see <see cref="LocalApic"/>); the message sink is called with it held. Wires carry
/// "asserted", not a voltage, so the polarity bit is stored and has no effect.
/// </remarks>
public sealed class IoApic : IBusDevice, IStateful<IoApicState>
{
    /// <summary>Where the first IOAPIC of a PC stands.</summary>
    public const ulong DefaultAddress = 0xfec00000;

    /// <summary>Length of its page.</summary>
    public const ulong SizeBytes = 0x1000;

    /// <summary>Number of input pins.</summary>
    public const int PinCount = 24;

    private const uint VersionValue = 0x20 | (PinCount - 1) << 16;

    private readonly Lock _gate = new();
    private readonly IMsiSink _sink;
    private readonly IoApicEntry[] _entries = new IoApicEntry[PinCount];
    private readonly uint _initialId;
    private uint _id;
    private uint _pins;
    private byte _select;

    /// <param name="sink">Where its messages go.</param>
    /// <param name="id">APIC id, 0 to 15, as in the MADT.</param>
    public IoApic(IMsiSink sink, byte id = 0)
    {
        _sink = sink;
        _initialId = (uint)(id & 15) << 24;
        Reset();
    }

    /// <summary>
    /// Told, at each change of a redirection entry, of the pin and of the message whose EOI must come back: that of a level-triggered,
    /// unmasked entry, else null. KVM's split irqchip keeps its routes with it. Called with the lock held; must not call back.
    /// </summary>
    public Action<int, MsiMessage?>? RouteChanged { get; set; }

    /// <summary>The state after power-on; the pins keep their levels.</summary>
    public void Reset()
    {
        lock (_gate)
        {
            _id = _initialId;
            _select = 0;
            Array.Fill(_entries, IoApicEntry.Reset);
            for (int pin = 0; pin < PinCount; pin++) ReportRoute(pin);
        }
    }

    /// <summary>Drives an input pin.</summary>
    public void SetPin(int pin, bool asserted)
    {
        lock (_gate)
        {
            uint bit = 1u << pin;
            bool rising = asserted && (_pins & bit) == 0;
            _pins = asserted ? _pins | bit : _pins & ~bit;
            if (!rising) return;
            if (_entries[pin].IsLevel) ServiceLevel(pin);
            else if (!_entries[pin].IsMasked) Send(_entries[pin]);
        }
    }

    /// <summary>Sets a pin's level after a restore, without an edge and without delivering anything.</summary>
    public void RestorePin(int pin, bool asserted)
    {
        lock (_gate) _pins = asserted ? _pins | 1u << pin : _pins & ~(1u << pin);
    }

    /// <summary>The EOI broadcast of a local APIC: level-triggered entries with this vector may deliver again.</summary>
    public void EndOfInterrupt(byte vector)
    {
        lock (_gate)
        {
            for (int pin = 0; pin < PinCount; pin++)
            {
                if (_entries[pin].Vector != vector || !_entries[pin].RemoteIrr) continue;
                _entries[pin] = _entries[pin].WithRemoteIrr(false);
                ServiceLevel(pin);
            }
        }
    }

    /// <inheritdoc/>
    public BusResult Read(in BusAccess access, Span<byte> data)
    {
        if (data.Length > sizeof(uint)) return BusResult.BadWidth;
        uint value;
        lock (_gate)
        {
            switch (access.Offset)
            {
                case IoApicWindow.IOREGSEL:
                    value = _select;
                    break;
                case IoApicWindow.IOWIN:
                    value = ReadSelected();
                    break;
                default:
                    return BusResult.NoRegister;
            }
        }

        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        bytes[..data.Length].CopyTo(data);
        return BusResult.Ok;
    }

    /// <inheritdoc/>
    public BusResult Write(in BusAccess access, ReadOnlySpan<byte> data)
    {
        if (access.Offset == IoApicWindow.IOREGSEL)
        {
            lock (_gate) _select = data[0];
            return BusResult.Ok;
        }

        if (data.Length != sizeof(uint)) return BusResult.BadWidth;
        uint value = BinaryPrimitives.ReadUInt32LittleEndian(data);
        switch (access.Offset)
        {
            case IoApicWindow.IOWIN:
                lock (_gate) WriteSelected(value);
                return BusResult.Ok;
            case IoApicWindow.EOIR:
                EndOfInterrupt((byte)value);
                return BusResult.Ok;
            default:
                return BusResult.NoRegister;
        }
    }

    /// <inheritdoc/>
    public IoApicState Save()
    {
        lock (_gate) return new IoApicState { Select = _select, Id = _id, Pins = _pins, Entries = [.. _entries.Select(e => e.Value)] };
    }

    /// <inheritdoc/>
    public void Restore(IoApicState state)
    {
        if (state.Version != IoApicState.CurrentVersion || state.Entries.Length != PinCount)
            throw new StateException($"IOAPIC: state version {state.Version} with {state.Entries.Length} pins cannot be restored");
        lock (_gate)
        {
            _select = state.Select;
            _id = state.Id & IoApicRegister.IdMask;
            _pins = state.Pins;
            for (int pin = 0; pin < PinCount; pin++)
            {
                _entries[pin] = new IoApicEntry(state.Entries[pin]);
                ReportRoute(pin);
            }
        }
    }

    private uint ReadSelected()
    {
        switch (_select)
        {
            case IoApicRegister.IOAPICID or IoApicRegister.IOAPICARB:
                return _id;
            case IoApicRegister.IOAPICVER:
                return VersionValue;
        }

        int index = _select - IoApicRegister.IOREDTBL;
        if (index is < 0 or >= PinCount * 2) return 0;
        return (uint)(_entries[index / 2].Value >> (index % 2 * 32));
    }

    private void WriteSelected(uint value)
    {
        if (_select == IoApicRegister.IOAPICID) _id = value & IoApicRegister.IdMask;
        int index = _select - IoApicRegister.IOREDTBL;
        if (index is < 0 or >= PinCount * 2) return;
        int pin = index / 2;
        ulong old = _entries[pin].Value;
        _entries[pin] = _entries[pin].Written(index % 2 == 0 ? (old & 0xffffffff_00000000) | value : (uint)old | (ulong)value << 32);
        if (_entries[pin].Value == old) return;
        ReportRoute(pin);
        ServiceLevel(pin);
    }

    private void ReportRoute(int pin)
    {
        IoApicEntry entry = _entries[pin];
        RouteChanged?.Invoke(pin, entry.IsLevel && !entry.IsMasked ? MessageOf(entry) : null);
    }

    private void ServiceLevel(int pin)
    {
        IoApicEntry entry = _entries[pin];
        if (!entry.IsLevel || entry.IsMasked || entry.RemoteIrr || (_pins & (1u << pin)) == 0) return;
        _entries[pin] = entry.WithRemoteIrr(true);
        Send(entry);
    }

    private void Send(IoApicEntry entry) => _sink.Signal(MessageOf(entry), requesterId: 0);

    private static MsiMessage MessageOf(IoApicEntry entry) =>
        ApicMessage.Encode(entry.Destination, entry.IsLogical, entry.Mode, entry.Vector, entry.IsLevel);
}
