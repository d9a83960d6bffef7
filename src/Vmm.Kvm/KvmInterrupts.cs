using System.Runtime.InteropServices;
using Vmm.Core.Hypervisor;
using Vmm.Core.Interrupts;
using Vmm.Host;
using Vmm.Kvm.Abi;

namespace Vmm.Kvm;

/// <summary>
/// The interrupt inputs of a KVM machine. GSI n goes to pin n of the IOAPIC and, below 16, of the 8259 pair; as in every PC, GSI 0 (the
/// timer) goes to IOAPIC pin 2 and GSI 2 (the cascade) nowhere. GSIs from 24 up belong to irqfds. Thread-safe.
/// </summary>
public sealed unsafe class KvmInterrupts : IInterruptController, IMsiSink, IMsiRouter
{
    /// <summary>Pins of the IOAPIC.</summary>
    internal const int IoApicPins = 24;

    private const int PicPins = 8;
    private const int TimerGsi = 0;
    private const int CascadeGsi = 2;
    private const int RoutingHeaderBytes = 8;

    private readonly KvmMachine _machine;
    private readonly KvmInterruptMode _mode;
    private readonly KvmLine[] _lines;
    private readonly Lock _gate = new();
    private readonly int _maximumRoutes;
    private readonly MsiMessage?[] _splitRoutes = new MsiMessage?[IoApicPins];
    private readonly SortedDictionary<int, MsiMessage> _messages = [];
    private readonly HashSet<KvmMsiRoute> _msiRoutes = [];

    internal KvmInterrupts(KvmMachine machine, KvmInterruptMode mode)
    {
        _machine = machine;
        _mode = mode;
        _lines = [.. Enumerable.Range(0, IoApicPins).Select(gsi => new KvmLine(machine, gsi))];
        _maximumRoutes = machine.Hypervisor.CheckExtension(KvmCapability.KVM_CAP_IRQ_ROUTING);
        lock (_gate) WriteRoutes();
    }

    /// <inheritdoc/>
    public int GsiCount => IoApicPins;

    /// <inheritdoc/>
    public IMsiSink Msi => this;

    /// <summary>The wire of a GSI.</summary>
    /// <exception cref="ArgumentOutOfRangeException">No such GSI.</exception>
    /// <exception cref="InvalidOperationException">Split mode: the wires belong to the user-space chips.</exception>
    public IInterruptLine Line(int gsi)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(gsi);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(gsi, IoApicPins);
        if (_mode == KvmInterruptMode.Split) throw new InvalidOperationException("in split mode the wires belong to the chips in user space");
        return _lines[gsi];
    }

    /// <inheritdoc/>
    public void Signal(in MsiMessage message, ushort requesterId)
    {
        KvmMsi msi = new() { AddressLow = (uint)message.Address, AddressHigh = (uint)(message.Address >> 32), Data = message.Data };
        // The guest writes these words: one that reaches no local APIC is dropped, as on hardware.
        _ = KvmCall.Try(_machine.Fd, KvmIoctl.KVM_SIGNAL_MSI, ref msi);
    }

    /// <inheritdoc/>
    public IMsiRoute? TryCreateRoute()
    {
        lock (_gate)
        {
            if (_msiRoutes.Count >= _maximumRoutes - IoApicPins) return null;
            try
            {
                KvmMsiRoute route = new(this);
                _msiRoutes.Add(route);
                return route;
            }
            catch (LinuxException)
            {
                // No descriptor is free.
                return null;
            }
        }
    }

    /// <summary>Makes an eventfd raise a message: the kernel injects it when the eventfd is signalled, without this process.</summary>
    /// <exception cref="HypervisorException">The host refused, or no route is free.</exception>
    public KvmIrqFd BindIrqFd(int eventFd, MsiMessage message)
    {
        lock (_gate)
        {
            int gsi = FreeGsi();
            _messages.Add(gsi, message);
            try
            {
                WriteRoutes();
                KvmIrqFd bound = new(this, eventFd, gsi, isMessage: true);
                ChangeIrqFd(eventFd, gsi, 0, -1);
                return bound;
            }
            catch
            {
                _messages.Remove(gsi);
                throw;
            }
        }
    }

    /// <summary>Makes an eventfd raise a GSI: an edge, or with a second eventfd a level that lasts until the guest's end of interrupt.</summary>
    /// <param name="eventFd">Signalled to raise.</param>
    /// <param name="gsi">0 to 23.</param>
    /// <param name="resampleFd">Signalled by KVM when the guest has ended the interrupt: the device signals again if it still wants one. -1 for an edge.</param>
    /// <exception cref="HypervisorException">The host refused.</exception>
    public KvmIrqFd BindIrqFd(int eventFd, int gsi, int resampleFd = -1)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(gsi);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(gsi, IoApicPins);
        ChangeIrqFd(eventFd, gsi, resampleFd >= 0 ? KvmIrqFdRequest.KVM_IRQFD_FLAG_RESAMPLE : 0, resampleFd);
        return new KvmIrqFd(this, eventFd, gsi, isMessage: false);
    }

    /// <summary>
    /// Split mode: tells KVM of an entry of the IOAPIC's redirection table, so that it reports the end of that interrupt.
    /// Call for level-triggered, unmasked entries; null takes it back.
    /// </summary>
    /// <exception cref="InvalidOperationException">Not in split mode.</exception>
    public void SetSplitRoute(int pin, MsiMessage? message)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(pin);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(pin, IoApicPins);
        if (_mode != KvmInterruptMode.Split) throw new InvalidOperationException("the IOAPIC is in the kernel");
        lock (_gate)
        {
            if (_splitRoutes[pin] == message) return;
            _splitRoutes[pin] = message;
            WriteRoutes();
        }
    }

    internal void Forget(KvmMsiRoute route)
    {
        lock (_gate) _msiRoutes.Remove(route);
    }

    /// <summary>Ends the routes that their owners have left.</summary>
    internal void DisposeRoutes()
    {
        foreach (KvmMsiRoute route in _msiRoutes.ToArray()) route.Dispose();
    }

    internal void Update(KvmIrqFd irqFd, MsiMessage message)
    {
        lock (_gate)
        {
            if (!_messages.TryGetValue(irqFd.Gsi, out MsiMessage old) || old == message) return;
            _messages[irqFd.Gsi] = message;
            WriteRoutes();
        }
    }

    internal void Unbind(KvmIrqFd irqFd)
    {
        lock (_gate)
        {
            KvmIrqFdRequest request = new() { FileDescriptor = irqFd.EventFd, Gsi = (uint)irqFd.Gsi, Flags = KvmIrqFdRequest.KVM_IRQFD_FLAG_DEASSIGN };
            _ = KvmCall.Try(_machine.Fd, KvmIoctl.KVM_IRQFD, ref request);
            if (irqFd.IsMessage && _messages.Remove(irqFd.Gsi)) WriteRoutes();
        }
    }

    private void ChangeIrqFd(int eventFd, int gsi, uint flags, int resampleFd)
    {
        KvmIrqFdRequest request = new() { FileDescriptor = eventFd, Gsi = (uint)gsi, Flags = flags, ResampleFileDescriptor = resampleFd };
        KvmCall.Must(_machine.Fd, KvmIoctl.KVM_IRQFD, ref request, "binding an eventfd to an interrupt");
    }

    private int FreeGsi()
    {
        int gsi = IoApicPins;
        foreach (int used in _messages.Keys)
        {
            if (used != gsi) break;
            gsi++;
        }

        return gsi < _maximumRoutes ? gsi : throw new HypervisorException($"KVM: all {_maximumRoutes} interrupt routes are in use");
    }

    private void WriteRoutes()
    {
        List<KvmIrqRoutingEntry> routes = [];
        for (int gsi = 0; gsi < IoApicPins; gsi++)
        {
            if (_mode == KvmInterruptMode.InKernel) AddPins(routes, gsi);
            else if (_splitRoutes[gsi] is { } message) routes.Add(MessageRoute(gsi, message));
        }

        foreach ((int gsi, MsiMessage message) in _messages) routes.Add(MessageRoute(gsi, message));
        byte[] table = new byte[RoutingHeaderBytes + (routes.Count * sizeof(KvmIrqRoutingEntry))];
        MemoryMarshal.Write(table, (uint)routes.Count);
        MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(routes)).CopyTo(table.AsSpan(RoutingHeaderBytes));
        // SAFETY: a count and as many entries as it says.
        fixed (byte* start = table) KvmCall.Must(_machine.Fd, KvmIoctl.KVM_SET_GSI_ROUTING, (nint)start, "wiring the interrupts");
    }

    private static void AddPins(List<KvmIrqRoutingEntry> routes, int gsi)
    {
        if (gsi == CascadeGsi) return;
        int ioApicPin = gsi == TimerGsi ? CascadeGsi : gsi;
        if (gsi < PicPins) routes.Add(PinRoute(gsi, KvmIrqchip.KVM_IRQCHIP_PIC_MASTER, gsi));
        else if (gsi < 2 * PicPins) routes.Add(PinRoute(gsi, KvmIrqchip.KVM_IRQCHIP_PIC_SLAVE, gsi - PicPins));
        routes.Add(PinRoute(gsi, KvmIrqchip.KVM_IRQCHIP_IOAPIC, ioApicPin));
    }

    private static KvmIrqRoutingEntry PinRoute(int gsi, uint chip, int pin)
        => new() { Gsi = (uint)gsi, Type = KvmIrqRoutingEntry.KVM_IRQ_ROUTING_IRQCHIP, Chip = chip, Pin = (uint)pin };

    private static KvmIrqRoutingEntry MessageRoute(int gsi, in MsiMessage message) => new()
    {
        Gsi = (uint)gsi,
        Type = KvmIrqRoutingEntry.KVM_IRQ_ROUTING_MSI,
        AddressLow = (uint)message.Address,
        AddressHigh = (uint)(message.Address >> 32),
        Data = message.Data,
    };
}
