using Vmm.Core.Bus;
using Vmm.Core.Interrupts;

namespace Vmm.Devices.Pci;

/// <summary>
/// Bus 0: the functions, the ranges that their BARs decode, and the four interrupt links. Thread-safe; one lock guards all
/// configuration spaces, since the guest reaches them by two ways.
/// </summary>
/// <remarks>Lock order: this bus, then a capability or a device, then a function's wire. Nobody calls back into the bus with a lock of its own.</remarks>
public sealed class PciRootBus
{
    /// <summary>Interrupt links: pin p (1 to 4) of device d drives link (d + p - 1) mod 4.</summary>
    public const int LinkCount = 4;

    private readonly Lock _gate = new();
    private readonly PciFunction?[] _functions = new PciFunction?[PciAddress.DeviceCount * PciAddress.FunctionCount];
    private readonly AddressBus _ports;
    private readonly AddressBus _mmio;
    private readonly PciWindows _windows;
    private readonly SharedLine[] _links;

    /// <param name="ports">Where I/O BARs appear.</param>
    /// <param name="mmio">Where memory BARs appear.</param>
    /// <param name="windows">Where they may appear.</param>
    /// <param name="links">The four wires behind the interrupt links.</param>
    /// <param name="msi">Where messages go.</param>
    public PciRootBus(AddressBus ports, AddressBus mmio, PciWindows windows, IReadOnlyList<IInterruptLine> links, IMsiSink msi)
    {
        if (links.Count != LinkCount) throw new ArgumentException($"a PCI bus has {LinkCount} interrupt links", nameof(links));
        (_ports, _mmio, _windows, Msi) = (ports, mmio, windows, msi);
        _links = [.. links.Select(line => new SharedLine(line))];
    }

    /// <summary>Where messages go.</summary>
    internal IMsiSink Msi { get; }

    /// <summary>The functions in the order of their addresses.</summary>
    public IEnumerable<PciFunction> Functions => _functions.OfType<PciFunction>();

    /// <summary>The link that a pin drives.</summary>
    /// <param name="device">0 to 31.</param>
    /// <param name="pin">1 to 4.</param>
    public static int Link(int device, int pin) => (device + pin - 1) % LinkCount;

    /// <summary>
    /// Puts a function on the bus. One that comes while the machine runs is found by the guest, which then places its BARs.
    /// </summary>
    /// <exception cref="ArgumentException">The place does not exist or is taken.</exception>
    public void Add(PciFunction function, int device, int number = 0)
    {
        if (device is < 0 or >= PciAddress.DeviceCount || number is < 0 or >= PciAddress.FunctionCount)
            throw new ArgumentException($"there is no PCI device {device}, function {number}");
        PciAddress address = new(0, (byte)device, (byte)number);
        lock (_gate)
        {
            int slot = Slot(address);
            if (_functions[slot] is { } other) throw new ArgumentException($"{function.Name} cannot stand at {address}: {other.Name} does");
            function.Join(this, address, function.InterruptPin == 0 ? null : _links[Link(device, function.InterruptPin)].NewInput());
            _functions[slot] = function;
            if (number != 0) _functions[Slot(address with { Function = 0 })]?.MarkMultiFunction();
        }
    }

    /// <summary>Takes a function off the bus: nothing of it is decoded any more, its wire is low and it sends no messages.</summary>
    /// <returns>False when it does not stand here.</returns>
    public bool Remove(PciFunction function)
    {
        lock (_gate)
        {
            int slot = Slot(function.Address);
            if (_functions[slot] != function) return false;
            _functions[slot] = null;
            function.Leave();
            Withdraw(function);
            Remap();
            return true;
        }
    }

    /// <summary>The functions of a device, in the order of their numbers.</summary>
    public PciFunction[] FunctionsOf(int device)
    {
        lock (_gate) return [.. _functions.AsSpan(device * PciAddress.FunctionCount, PciAddress.FunctionCount).ToArray().OfType<PciFunction>()];
    }

    /// <summary>Gives every BAR an address, as a BIOS does before it boots a system. Nothing is decoded yet.</summary>
    /// <exception cref="InvalidOperationException">The windows are too small.</exception>
    public void PlaceBars()
    {
        lock (_gate)
        {
            ulong io = _windows.Io.Start, low = _windows.Memory32.Start, high = _windows.Memory64.Start;
            // Largest first: with natural alignment nothing is lost between them.
            foreach ((PciFunction function, PciBar bar) in Functions.SelectMany(f => f.Bars.Select(b => (f, b))).OrderByDescending(x => x.b.SizeBytes))
            {
                bool placed = bar.Kind == PciBarKind.Io ? Place(function, bar, ref io, _windows.Io)
                    : (bar.Kind == PciBarKind.Memory64 && Place(function, bar, ref high, _windows.Memory64)) || Place(function, bar, ref low, _windows.Memory32);
                if (!placed) throw new InvalidOperationException($"no room for BAR {bar.Index} of {function.Name} with 0x{bar.SizeBytes:x} bytes");
            }
        }
    }

    /// <summary>Reads a configuration register: all ones where no function stands.</summary>
    internal void ReadConfig(PciAddress address, int offset, Span<byte> data)
    {
        lock (_gate)
        {
            if (Find(address) is { } function) function.ReadConfig(offset, data);
            else data.Fill(0xff);
        }
    }

    internal void WriteConfig(PciAddress address, int offset, ReadOnlySpan<byte> data)
    {
        lock (_gate)
        {
            if (Find(address) is { } function && function.WriteConfig(offset, data)) Remap();
        }
    }

    /// <summary>
    /// Makes the address buses show what the BARs say. A BAR that leaves the windows or falls onto another range is not decoded; it
    /// is once the other has gone.
    /// </summary>
    internal void Remap()
    {
        lock (_gate)
        {
            foreach (PciFunction? function in _functions)
            {
                if (function is not null) Withdraw(function);
            }

            foreach (PciFunction? function in _functions)
            {
                if (function is not null) Show(function);
            }
        }
    }

    private void Withdraw(PciFunction function)
    {
        foreach (PciBar bar in function.Bars)
        {
            if (bar.Mapped is not { } mapped || function.DecodedAddress(bar) == mapped) continue;
            BusOf(bar).Detach(mapped);
            bar.Mapped = null;
        }
    }

    private void Show(PciFunction function)
    {
        foreach (PciBar bar in function.Bars)
        {
            if (bar.Mapped is not null || function.DecodedAddress(bar) is not { } address) continue;
            if (_windows.Allow(bar.Kind, address, bar.SizeBytes) && BusOf(bar).TryAttach(address, bar.SizeBytes, bar.Device, bar.Index, function.Name))
                bar.Mapped = address;
        }
    }

    private static bool Place(PciFunction function, PciBar bar, ref ulong next, PciWindow window)
    {
        ulong address = (next + bar.SizeBytes - 1) & ~(bar.SizeBytes - 1);
        if (!window.Contains(address, bar.SizeBytes)) return false;
        function.PlaceBar(bar, address);
        next = address + bar.SizeBytes;
        return true;
    }

    private AddressBus BusOf(PciBar bar) => bar.Kind == PciBarKind.Io ? _ports : _mmio;

    private PciFunction? Find(PciAddress address) => address.Bus == 0 ? _functions[Slot(address)] : null;

    private static int Slot(PciAddress address) => address.Device * PciAddress.FunctionCount + address.Function;
}
