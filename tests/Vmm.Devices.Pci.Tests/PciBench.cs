using Vmm.Core.Bus;
using Vmm.TestKit;

namespace Vmm.Devices.Pci.Tests;

/// <summary>A root bus with its bridge, and one function with a BAR of each kind, MSI and MSI-X.</summary>
internal sealed class PciBench
{
    public const ulong Memory32 = 0xc000_0000, Memory64 = 0x80_0000_0000, Ecam = 0xe000_0000;
    public const int MsixOffset = PciRegisters.FirstCapability;
    public const int MemoryBar = 0, WideBar = 2, IoBar = 1, MsixBar = 4;

    public PciBench()
    {
        PciWindows windows = new() { Memory32 = new PciWindow(Memory32, 0x2000_0000), Memory64 = new PciWindow(Memory64, 1UL << 32) };
        Bus = new PciRootBus(Guest.Ports, Guest.Mmio, windows, Links, Msi);
        Bridge = new PciHostBridge(Bus, Reset);
        Bridge.AttachTo(Guest.Ports, Guest.Mmio, Ecam);
        Function = new PciFunction("test", new PciIdentity { VendorId = 0x1af4, DeviceId = 0x1042, ClassCode = 0x010802, Revision = 3, SubsystemVendorId = 7, SubsystemId = 8 }, interruptPin: 2);
        Function.AddBar(new PciBar(MemoryBar, PciBarKind.Memory32, 0x1000, Device));
        Function.AddBar(new PciBar(IoBar, PciBarKind.Io, 0x20, Device));
        Function.AddBar(new PciBar(WideBar, PciBarKind.Memory64, 0x10_0000, Device, isPrefetchable: true));
        Function.AddBar(Msix.NewBar());
        Function.AddCapability(Msix);
        MsiOffset = Function.AddCapability(MsiVectors);
        Bus.Add(Function, 3);
        Config = new PciDriver(Guest, 3);
    }

    public GuestDriver Guest { get; } = new();

    public FakeLine[] Links { get; } = [new(), new(), new(), new()];

    public FakeMsi Msi { get; } = new();

    public Registers Reset { get; } = new();

    public Registers Device { get; } = new();

    public PciRootBus Bus { get; }

    public PciHostBridge Bridge { get; }

    public PciFunction Function { get; }

    public MsixTable Msix { get; } = new(70, MsixBar);

    public MsiCapability MsiVectors { get; } = new(4);

    public PciDriver Config { get; }

    public int MsiOffset { get; }

    /// <summary>Remembers the last access and answers with the region's number.</summary>
    internal sealed class Registers : IBusDevice
    {
        public BusAccess Last { get; private set; }

        public int Writes { get; private set; }

        public BusResult Read(in BusAccess access, Span<byte> data)
        {
            Last = access;
            data.Fill((byte)access.Region);
            return BusResult.Ok;
        }

        public BusResult Write(in BusAccess access, ReadOnlySpan<byte> data)
        {
            Last = access;
            Writes++;
            return BusResult.Ok;
        }
    }
}
