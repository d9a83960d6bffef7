using Vmm.Core.Interrupts;
using Vmm.Devices.Chipset;
using Vmm.Devices.Pci;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Transport;
using Vmm.Firmware.Acpi;
using Vmm.Machine.Devices;

namespace Vmm.Machine.Build;

/// <summary>A board's PCI bus: the host bridge at device 0 and a virtio function for each attachment from device 1 on.</summary>
internal sealed class PciHost : IDisposable
{
    // The hole below 4 GiB, from the end of low RAM up to the configuration window; the APICs come far behind it.
    private const uint Memory32Start = 0xc000_0000;
    private const uint Memory32Bytes = 0x2000_0000;
    private const uint EcamAddress = 0xe000_0000;

    private static readonly int[] LinkGsis = [16, 17, 18, 19];

    private readonly List<IDisposable> _devices = [];

    /// <exception cref="InvalidOperationException">There are more devices than places.</exception>
    public PciHost(Board board, IInterruptController interrupts, IReadOnlyList<IAttachment> attachments, Action<string> note)
    {
        PciWindows windows = new() { Memory32 = new(Memory32Start, Memory32Bytes) };
        Bus = new PciRootBus(board.Ports, board.Mmio, windows, [.. LinkGsis.Select(interrupts.Line)], interrupts.Msi);
        new PciHostBridge(Bus, new ResetControl(board)).AttachTo(board.Ports, board.Mmio, EcamAddress);
        try
        {
            for (int i = 0; i < attachments.Count; i++) Add(board, attachments[i], i + 1, note);
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
    };

    /// <summary>The bus.</summary>
    public PciRootBus Bus { get; }

    /// <summary>Ends the devices: no request is under way when this returns.</summary>
    public void Dispose()
    {
        for (int i = _devices.Count - 1; i >= 0; i--) _devices[i].Dispose();
        _devices.Clear();
    }

    private void Add(Board board, IAttachment attachment, int place, Action<string> note)
    {
        IVirtioDevice device = attachment.Create(board);
        if (device is IDisposable owned) _devices.Add(owned);
        BoundedNotes notes = new(attachment.Id, note);
        VirtioPciTransport transport = new(device, board.Memory, notes.Write);
        _devices.Add(board.Virtio.Add(transport));
        Bus.Add(transport.Function, place);
    }
}
