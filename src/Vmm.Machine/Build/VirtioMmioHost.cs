using Vmm.Core.Interrupts;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Transport;
using Vmm.Firmware.Acpi;
using Vmm.Machine.Devices;
using Vmm.Machine.Snapshot;

namespace Vmm.Machine.Build;

/// <summary>A board's virtio devices on the memory bus: a page of registers for each, named in the DSDT. Four wires are shared among them.</summary>
internal sealed class VirtioMmioHost : IDisposable
{
    // Between the PCI configuration window and the APICs.
    private const uint FirstAddress = 0xe800_0000;
    private const int FirstGsi = 20;
    private const int Wires = 4;

    private readonly List<IDisposable> _owned = [];
    private readonly List<AcpiVirtioMmio> _acpi = [];

    /// <param name="board">The board.</param>
    /// <param name="interrupts">Its interrupt controllers.</param>
    /// <param name="devices">The devices; the slot of each decides on its address.</param>
    /// <param name="note">Takes lines for people.</param>
    public VirtioMmioHost(Board board, IInterruptController interrupts, IEnumerable<PluggedDevice> devices, Action<string> note)
    {
        SharedLine[] wires = [.. Enumerable.Range(FirstGsi, Wires).Select(gsi => new SharedLine(interrupts.Line(gsi)))];
        try
        {
            foreach (PluggedDevice device in devices) Add(board, device, wires[device.Slot % Wires], note);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What ACPI says of them.</summary>
    public IReadOnlyList<IAmlContributor> Acpi => _acpi;

    /// <summary>Ends the devices: no request is under way when this returns.</summary>
    public void Dispose()
    {
        for (int i = _owned.Count - 1; i >= 0; i--) _owned[i].Dispose();
        _owned.Clear();
    }

    private void Add(Board board, PluggedDevice device, SharedLine wire, Action<string> note)
    {
        IVirtioDevice virtio = device.Attachment.Create(board);
        if (virtio is IDisposable owned) _owned.Add(owned);
        uint address = FirstAddress + (uint)device.Slot * (uint)VirtioMmioTransport.SizeBytes;
        VirtioMmioTransport transport = new(virtio, board.Memory, address, wire.NewInput(), new BoundedNotes(device.Id, note, board.Trouble).Write);
        DeviceStates.Add(board.States, device.Id, transport, virtio);
        _owned.Add(board.Virtio.Add(transport));
        board.Mmio.Attach(address, VirtioMmioTransport.SizeBytes, transport, name: device.Id);
        _acpi.Add(new AcpiVirtioMmio((byte)device.Slot, address, (uint)VirtioMmioTransport.SizeBytes, (uint)(FirstGsi + device.Slot % Wires)));
    }
}
