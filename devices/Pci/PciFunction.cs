using Vmm.Core.Interrupts;
using Vmm.Core.State;

namespace Vmm.Devices.Pci;

/// <summary>
/// One function of a PCI device: a type 0 header, base address registers, capabilities, an INTx wire and messages
/// (PCI Local Bus 3.0 §6). Build it whole, then add it to a <see cref="PciRootBus"/>. Configuration accesses come from the bus, one at a
/// time; the interrupt members may be called from any thread.
/// </summary>
/// <remarks>Lock order: the bus, then this function's wire.</remarks>
public sealed class PciFunction : IStateful<PciFunctionState>
{
    private const byte MultiFunction = 1 << 7;
    private const byte AllWritable = 0xff;

    private readonly ConfigSpace _config = new();
    private readonly List<PciBar> _bars = [];
    private readonly List<IPciCapability> _capabilities = [];
    private readonly Lock _wireGate = new();
    private PciRootBus? _bus;
    private IInterruptLine? _wire;
    private PciCommand _command;
    private bool _interrupt;

    /// <param name="name">For messages.</param>
    /// <param name="identity">The identification registers.</param>
    /// <param name="interruptPin">1 to 4 for INTA# to INTD#, 0 for none.</param>
    public PciFunction(string name, PciIdentity identity, int interruptPin = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(interruptPin);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(interruptPin, PciRootBus.LinkCount);
        Name = name;
        InterruptPin = interruptPin;
        _config.Define16(PciRegisters.VendorId, identity.VendorId);
        _config.Define16(PciRegisters.DeviceId, identity.DeviceId);
        _config.Define16(PciRegisters.Command, 0, (ushort)PciCommand.Writable);
        _config.Define32(PciRegisters.RevisionId, identity.Revision | (identity.ClassCode << 8));
        _config.Define8(PciRegisters.CacheLineSize, 0, AllWritable);
        _config.Define8(PciRegisters.LatencyTimer, 0, AllWritable);
        _config.Define16(PciRegisters.SubsystemVendorId, identity.SubsystemVendorId);
        _config.Define16(PciRegisters.SubsystemId, identity.SubsystemId);
        _config.Define8(PciRegisters.InterruptLine, 0, AllWritable);
        _config.Define8(PciRegisters.InterruptPin, (byte)interruptPin);
    }

    /// <summary>For messages.</summary>
    public string Name { get; }

    /// <summary>Where it stands; meaningful once it is on a bus.</summary>
    public PciAddress Address { get; private set; }

    /// <summary>1 to 4, 0 for none.</summary>
    public int InterruptPin { get; }

    /// <summary>Its base address registers.</summary>
    public IReadOnlyList<PciBar> Bars => _bars;

    /// <summary>Whether the guest lets it read and write memory and send messages.</summary>
    public bool IsBusMaster => (_command & PciCommand.BusMaster) != 0;

    /// <summary>Adds a base address register.</summary>
    /// <exception cref="ArgumentException">Its register is taken.</exception>
    public void AddBar(PciBar bar)
    {
        if (_bars.Any(b => bar.Index < b.Index + b.Registers && b.Index < bar.Index + bar.Registers))
            throw new ArgumentException($"BAR {bar.Index} is taken", nameof(bar));
        ulong writable = ~(bar.SizeBytes - 1);
        int offset = BarOffset(bar);
        _config.Define32(offset, bar.TypeBits, (uint)writable);
        if (bar.Kind == PciBarKind.Memory64) _config.Define32(offset + sizeof(uint), 0, (uint)(writable >> 32));
        _bars.Add(bar);
    }

    /// <summary>Adds a capability.</summary>
    /// <returns>Its offset in configuration space.</returns>
    /// <exception cref="InvalidOperationException">There is no room.</exception>
    public int AddCapability(IPciCapability capability)
    {
        int offset = _config.AddCapability(capability);
        _config.Set16(PciRegisters.Status, (ushort)PciStatus.CapabilitiesList);
        _capabilities.Add(capability);
        capability.Attach(this);
        return offset;
    }

    /// <summary>Drives the INTx wire, which the guest sees only while it has not disabled it. Any thread.</summary>
    public void SetInterrupt(bool asserted)
    {
        lock (_wireGate)
        {
            _interrupt = asserted;
            DriveWire();
        }
    }

    /// <summary>Sends a message, if the function may. Any thread.</summary>
    /// <returns>False when it is not a bus master; nothing was sent.</returns>
    public bool TrySend(in MsiMessage message)
    {
        if (!IsBusMaster || Volatile.Read(ref _bus) is not { } bus) return false;
        bus.Msi.Signal(message, Address.RequesterId);
        return true;
    }

    /// <summary>Makes a route for one of its messages; null where there is none.</summary>
    internal IMsiRoute? TryCreateRoute() => (_bus?.Msi as IMsiRouter)?.TryCreateRoute();

    /// <summary>Where the guest has put a BAR, decoded or not.</summary>
    public ulong BarAddress(PciBar bar)
    {
        int offset = BarOffset(bar);
        ulong address = _config.Get32(offset);
        if (bar.Kind == PciBarKind.Memory64) address |= (ulong)_config.Get32(offset + sizeof(uint)) << 32;
        return address & ~(bar.SizeBytes - 1);
    }

    /// <inheritdoc/>
    public PciFunctionState Save() => new() { Config = _config.Bytes.ToArray(), Interrupt = _interrupt };

    /// <inheritdoc/>
    public void Restore(PciFunctionState state)
    {
        if (state.Version != PciFunctionState.CurrentVersion || !_config.CanBecome(state.Config))
            throw new StateException($"PCI function {Name}: state version {state.Version} cannot be restored into this function");
        _config.Become(state.Config);
        _command = (PciCommand)_config.Get16(PciRegisters.Command);
        lock (_wireGate)
        {
            _interrupt = state.Interrupt;
            _wire?.RestoreLevel(_interrupt && (_command & PciCommand.InterruptDisable) == 0);
        }

        foreach (IPciCapability capability in _capabilities) capability.CommandChanged();

        _bus?.Remap();
    }

    internal void Join(PciRootBus bus, PciAddress address, IInterruptLine? wire) => (_bus, Address, _wire) = (bus, address, wire);

    /// <summary>Ends decoding, messages and interrupts. What it still asserts is no matter of the bus any more.</summary>
    internal void Leave()
    {
        lock (_wireGate)
        {
            _command = PciCommand.None;
            _wire?.SetLevel(false);
            _wire = null;
        }

        foreach (IPciCapability capability in _capabilities) capability.CommandChanged();
        Volatile.Write(ref _bus, null);
    }

    internal void MarkMultiFunction() => _config.Define8(PciRegisters.HeaderType, MultiFunction);

    /// <summary>Puts a BAR somewhere, as firmware does.</summary>
    internal void PlaceBar(PciBar bar, ulong address)
    {
        int offset = BarOffset(bar);
        _config.Set32(offset, (uint)address | bar.TypeBits);
        if (bar.Kind == PciBarKind.Memory64) _config.Set32(offset + sizeof(uint), (uint)(address >> 32));
    }

    /// <summary>Where a BAR is to be seen; null while it is not decoded.</summary>
    internal ulong? DecodedAddress(PciBar bar)
    {
        PciCommand needed = bar.Kind == PciBarKind.Io ? PciCommand.IoSpace : PciCommand.MemorySpace;
        return (_command & needed) != 0 ? BarAddress(bar) : null;
    }

    /// <summary>Reads 1, 2 or 4 bytes within one doubleword.</summary>
    internal void ReadConfig(int offset, Span<byte> data)
    {
        // There are no extended capabilities: a list that begins with zero is empty.
        if (offset >= PciRegisters.ConventionalBytes)
        {
            data.Clear();
            return;
        }

        _config.Read(offset, data);
        int status = PciRegisters.Status - offset;
        if (_interrupt && status >= 0 && status < data.Length) data[status] |= (byte)PciStatus.InterruptStatus;
    }

    /// <summary>Writes 1, 2 or 4 bytes within one doubleword.</summary>
    /// <returns>True when what is decoded may have changed.</returns>
    internal bool WriteConfig(int offset, ReadOnlySpan<byte> data)
    {
        if (offset >= PciRegisters.ConventionalBytes) return false;
        _config.Write(offset, data);
        PciCommand command = (PciCommand)_config.Get16(PciRegisters.Command);
        if (command != _command)
        {
            lock (_wireGate)
            {
                _command = command;
                DriveWire();
            }

            foreach (IPciCapability capability in _capabilities) capability.CommandChanged();
            return true;
        }

        return offset is >= PciRegisters.Bar0 and < PciRegisters.Bar0 + PciRegisters.BarCount * sizeof(uint);
    }

    private void DriveWire() => _wire?.SetLevel(_interrupt && (_command & PciCommand.InterruptDisable) == 0);

    private static int BarOffset(PciBar bar) => PciRegisters.Bar0 + bar.Index * sizeof(uint);
}
