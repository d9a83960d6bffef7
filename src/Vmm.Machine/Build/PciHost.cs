using Vmm.Core.Interrupts;
using Vmm.Core.State;
using Vmm.Devices.Chipset;
using Vmm.Devices.Pci;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Transport;
using Vmm.Firmware.Acpi;
using Vmm.Machine.Devices;
using Vmm.Machine.Snapshot;

namespace Vmm.Machine.Build;

/// <summary>
/// A board's PCI bus: the host bridge at device 0 and a virtio function for each plugged device in its slot. Devices come and go while the
/// machine runs; the members belong to the machine's life-cycle lock, except that the guest ejects on the thread of a vCPU.
/// </summary>
internal sealed class PciHost : IDisposable
{
    // The hole below 4 GiB, from the end of low RAM up to the configuration window; the APICs come far behind it.
    private const uint Memory32Start = 0xc000_0000;
    private const uint Memory32Bytes = 0x2000_0000;
    private const uint EcamAddress = 0xe000_0000;

    // Every device but the host bridge.
    private const uint Slots = 0xffff_fffe;

    private static readonly int[] LinkGsis = [16, 17, 18, 19];

    private readonly Board _board;
    private readonly Action<string> _note;
    private readonly Action _ejected;
    private readonly PciHotPlug _hotPlug;

    // Replaced, never changed: the guest's ejection looks at it without a lock.
    private Place[] _places = [];

    /// <param name="board">The board.</param>
    /// <param name="interrupts">Its interrupt controllers.</param>
    /// <param name="devices">What stands on the bus from the beginning.</param>
    /// <param name="ejected">Told, on the thread of a vCPU, that a device is marked as ejected: <see cref="Drop"/> is due.</param>
    /// <param name="note">Takes lines for people.</param>
    /// <exception cref="InvalidOperationException">The windows are too small.</exception>
    public PciHost(Board board, IInterruptController interrupts, IReadOnlyList<PluggedDevice> devices, Action ejected, Action<string> note)
    {
        (_board, _ejected, _note) = (board, ejected, note);
        PciWindows windows = new() { Memory32 = new(Memory32Start, Memory32Bytes) };
        Bus = new PciRootBus(board.Ports, board.Mmio, windows, [.. LinkGsis.Select(interrupts.Line)], interrupts.Msi);
        ResetControl resetControl = new(board);
        PciHostBridge bridge = new(Bus, resetControl);
        bridge.AttachTo(board.Ports, board.Mmio, EcamAddress);
        _hotPlug = new PciHotPlug(Bus, Slots, () => board.Acpi?.RaiseGpe(PciHotPlug.DefaultEvent), Ejected);
        board.States.Add("reset-control", resetControl, static () => SnapshotJson.Default.ResetControlState);
        board.States.Add("pci-bridge", bridge, static () => SnapshotJson.Default.PciHostBridgeState);
        board.States.Add("pci-bridge-function", bridge.Function, static () => SnapshotJson.Default.PciFunctionState);
        board.States.Add("pci-hot-plug", _hotPlug, static () => SnapshotJson.Default.PciHotPlugState);
        board.Ports.Attach(PciHotPlug.DefaultPort, PciHotPlug.PortCount, _hotPlug, name: "PCI hot-plug");
        try
        {
            foreach (PluggedDevice device in devices) Bus.Add(Make(device).Function, device.Slot);
            Bus.PlaceBars();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What ACPI says of it.</summary>
    public static AcpiPciRoot Acpi { get; } = new()
    {
        EcamAddress = EcamAddress,
        Memory32Start = Memory32Start,
        Memory32Bytes = Memory32Bytes,
        LinkGsis = LinkGsis,
        HotPlug = new AcpiPciHotPlug { Port = PciHotPlug.DefaultPort, Event = PciHotPlug.DefaultEvent, Slots = Slots },
    };

    /// <summary>The bus.</summary>
    public PciRootBus Bus { get; }

    /// <summary>Puts a device in and tells the guest.</summary>
    public void Insert(PluggedDevice device)
    {
        Place place = Make(device);
        try
        {
            _hotPlug.Insert(place.Function, device.Slot);
        }
        catch
        {
            Drop(device);
            throw;
        }
    }

    /// <summary>Asks the guest to let a device go.</summary>
    public void RequestRemoval(PluggedDevice device)
    {
        if (Find(device) is { } place) _hotPlug.RequestRemoval(place.Function);
    }

    /// <summary>Slots of devices that were withdrawn and that the guest has not let go of.</summary>
    public IEnumerable<int> WithdrawnSlots => _places.Where(place => place.IsWithdrawn).Select(place => place.Device.Slot);

    /// <summary>
    /// Ends a device whose driver is there: no request of it is under way when this returns. What stands in its slot from now on fails all
    /// requests until the guest, which is asked to, lets go of it. The machine stands still.
    /// </summary>
    public void Withdraw(PluggedDevice device)
    {
        if (Find(device) is not { } place) return;
        // The guest was faster.
        if (device.IsEjected)
        {
            Drop(device);
            return;
        }

        try
        {
            IReadOnlyList<StateNode> driver = DeviceStates.SaveTransport(place.Transport);
            WithdrawnDevice withdrawn = new(place.Virtio, _board.Workers);
            Drop(device);
            place = Take(device, withdrawn, isWithdrawn: true);
            Bus.Add(place.Function, device.Slot);
            DeviceStates.RestoreTransport(place.Transport, driver);
            _hotPlug.RequestRemoval(place.Function);
        }
        catch (StateException e)
        {
            _note($"{device.Id}: pulled out with requests under way, of which the guest may never hear: {e.Message}");
            TakeOut(device);
        }
    }

    /// <summary>Ends what stands for devices that were withdrawn, where the guest has let go of it.</summary>
    public void SweepWithdrawn()
    {
        foreach (Place place in _places) if (place.IsWithdrawn && place.Device.IsEjected) Drop(place.Device);
    }

    /// <summary>Takes a device out, as <see cref="Drop"/> does, and tells a guest that has not let it go.</summary>
    public void TakeOut(PluggedDevice device)
    {
        bool isPulled = Find(device) is { } place && Bus.FunctionsOf(device.Slot).Contains(place.Function);
        Drop(device);
        if (isPulled) _hotPlug.NoteGone(device.Slot);
    }

    /// <summary>Takes a device out, whatever the guest does with it, and ends it: no request of it is under way when this returns.</summary>
    public void Drop(PluggedDevice device)
    {
        if (Find(device) is not { } place) return;
        Bus.Remove(place.Function);
        Volatile.Write(ref _places, [.. _places.Where(p => p != place)]);
        _board.States.RemoveFolder(DeviceStates.FolderOf(device.Id));
        place.End();
    }

    /// <summary>Ends the devices: no request is under way when this returns.</summary>
    public void Dispose()
    {
        foreach (Place place in _places.Reverse()) place.End();
        _places = [];
    }

    private Place Make(PluggedDevice device)
    {
        Place place = Take(device, device.Attachment.Create(_board));
        DeviceStates.Add(_board.States, device.Id, place.Transport, place.Virtio);
        return place;
    }

    private Place Take(PluggedDevice device, IVirtioDevice virtio, bool isWithdrawn = false)
    {
        BoundedNotes notes = new(device.Id, _note, _board.Trouble);
        VirtioPciTransport transport = new(virtio, _board.Memory, notes.Write);
        Place place = new(device, virtio, transport, _board.Virtio.Add(transport), isWithdrawn);
        Volatile.Write(ref _places, [.. _places, place]);
        return place;
    }

    private Place? Find(PluggedDevice device) => Array.Find(_places, place => place.Device == device);

    private void Ejected(PciFunction function)
    {
        if (Array.Find(Volatile.Read(ref _places), place => place.Function == function) is not { } place) return;
        place.Device.IsEjected = true;
        _ejected();
    }

    private sealed record Place(PluggedDevice Device, IVirtioDevice Virtio, VirtioPciTransport Transport, IDisposable Registration, bool IsWithdrawn)
    {
        public PciFunction Function => Transport.Function;

        public void End()
        {
            Registration.Dispose();
            (Virtio as IDisposable)?.Dispose();
            Transport.Dispose();
        }
    }
}
