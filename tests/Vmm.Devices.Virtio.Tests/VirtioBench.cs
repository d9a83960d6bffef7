using Vmm.Devices.Pci;
using Vmm.Devices.Virtio.Transport;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests;

/// <summary>A PCI bus with one virtio device, 16 MiB of memory and a driver.</summary>
internal sealed class VirtioBench : IDisposable
{
    public const ulong Heap = 0x10_0000;
    public const ulong MemoryBytes = 16 << 20;

    private const ulong Window = 0xc000_0000;
    private const int Slot = 2;

    private readonly TestMemory _test = new(MemoryBytes);
    private readonly Core.Memory.GuestMemory? _memory;

    public VirtioBench(Func<PumpedWorkers, IVirtioDevice> device) : this(device, pumps: true) { }

    /// <summary>A bench whose device has workers of its own.</summary>
    public VirtioBench(Func<IVirtioDevice> device) : this(_ => device(), pumps: false) { }

    /// <summary>A bench with memory of the test's own, at least <see cref="MemoryBytes"/> from address 0.</summary>
    public VirtioBench(Func<PumpedWorkers, IVirtioDevice> device, Core.Memory.GuestMemory memory) : this(device, pumps: true, memory) { }

    private VirtioBench(Func<PumpedWorkers, IVirtioDevice> device, bool pumps, Core.Memory.GuestMemory? memory = null)
    {
        _memory = memory;
        Bus = new PciRootBus(Guest.Ports, Guest.Mmio, new PciWindows { Memory32 = new PciWindow(Window, 0x1000_0000) }, Links, Msi);
        new PciHostBridge(Bus, new ResetStub()).AttachTo(Guest.Ports, Guest.Mmio, null);
        Transport = new VirtioPciTransport(device(Workers), Memory, line => Diagnostics.Add(line));
        Bus.Add(Transport.Function, Slot);
        Bus.PlaceBars();
        Config = new PciDriver(Guest, Slot);
        Config.Command(6);
        Driver = new VirtioDriver(Guest, Config, Memory, Heap) { Pump = pumps ? () => Workers.Run() : () => { } };
    }

    public GuestDriver Guest { get; } = new();

    public FakeLine[] Links { get; } = [new(), new(), new(), new()];

    public FakeMsi Msi { get; } = new();

    public PumpedWorkers Workers { get; } = new();

    public PciRootBus Bus { get; }

    public VirtioPciTransport Transport { get; }

    public PciDriver Config { get; }

    public VirtioDriver Driver { get; }

    public List<string> Diagnostics { get; } = [];

    public Core.Memory.GuestMemory Memory => _memory ?? _test.Memory;

    /// <summary>The function's wire: device 2, pin A.</summary>
    public FakeLine Wire => Links[PciRootBus.Link(Slot, 1)];

    /// <summary>Negotiates all that is offered but what is left out, sets up every queue and starts.</summary>
    public VirtioDriver.Ring[] Start(ulong without = 0, ushort size = 0)
    {
        Assert.True(Driver.Negotiate(Driver.Offered & ~without));
        VirtioDriver.Ring[] rings = [.. Enumerable.Range(0, Transport.QueueCount).Select(i => Driver.SetUp(i, size, (ushort)(i + 1)))];
        Driver.Start();
        Workers.Run();
        return rings;
    }

    /// <summary>Turns MSI-X on: vector n sends data 0x40 + n.</summary>
    public void EnableMsix()
    {
        ulong table = Config.BarAddress(2);
        for (uint i = 0; i < Transport.Msix.VectorCount; i++)
        {
            Guest.Store(table + 16 * i, 0xfee0_0000, 8);
            Guest.Store(table + 16 * i + 8, 0x40 + i, 8);
        }

        foreach ((byte id, int at) in Config.Capabilities())
        {
            if (id == PciCapabilityId.MsiX) Config.Write16(at + 2, 0x8000);
        }
    }

    public void Dispose() => _test.Dispose();

    private sealed class ResetStub : Core.Bus.IBusDevice
    {
        public Core.Bus.BusResult Read(in Core.Bus.BusAccess access, Span<byte> data) => Core.Bus.BusResult.NoRegister;

        public Core.Bus.BusResult Write(in Core.Bus.BusAccess access, ReadOnlySpan<byte> data) => Core.Bus.BusResult.NoRegister;
    }
}
