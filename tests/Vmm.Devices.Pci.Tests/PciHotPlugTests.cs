using Vmm.Core.State;
using Vmm.TestKit;

namespace Vmm.Devices.Pci.Tests;

public class PciHotPlugTests
{
    private const ushort Port = PciHotPlug.DefaultPort;
    private const int Up = Port, Down = Port + 4, Ej = Port + 8, Present = Port + 12;
    private const int Slot = 7;
    private const uint SlotBit = 1u << Slot;

    private readonly PciBench _bench = new();
    private readonly PciHotPlug _controller;
    private readonly List<PciFunction> _ejected = [];
    private int _events;

    public PciHotPlugTests()
    {
        _controller = new PciHotPlug(_bench.Bus, 0xffff_fffe, () => _events++, _ejected.Add);
        _bench.Guest.Ports.Attach(Port, PciHotPlug.PortCount, _controller, name: "hot-plug");
    }

    [Fact]
    public void Insert_FreeSlot_GuestIsToldAndFindsIt()
    {
        PciFunction function = NewFunction(out _);
        _controller.Insert(function, Slot);
        Assert.Equal(1, _events);
        Assert.Equal((SlotBit, SlotBit | 1 << 3 | 1u), (In(Up), In(Present)));
        Assert.Equal(0x1041_1af4u, new PciDriver(_bench.Guest, Slot).Read32(0));
        Out(Up, SlotBit);
        Assert.Equal(0u, In(Up));
    }

    [Fact]
    public void Insert_GuestPlacesTheBar_DeviceAnswers()
    {
        PciFunction function = NewFunction(out PciBench.Registers device);
        _controller.Insert(function, Slot);
        PciDriver config = new(_bench.Guest, Slot);
        Assert.Equal(0ul, config.BarAddress(0));
        config.Write32(0x10, 0xc100_0000);
        config.Command(2);
        _bench.Guest.Store32(0xc100_0010, 1);
        Assert.Equal((1, 0x10ul), (device.Writes, device.Last.Offset));
    }

    [Fact]
    public void Insert_NoSlotOrTaken_ThrowsAndTellsNobody()
    {
        Assert.Throws<ArgumentException>(() => _controller.Insert(NewFunction(out _), 0));
        Assert.Throws<ArgumentException>(() => _controller.Insert(NewFunction(out _), 32));
        Assert.Throws<ArgumentException>(() => _controller.Insert(NewFunction(out _), 3));
        Assert.Equal((0, 0u), (_events, In(Up)));
    }

    [Fact]
    public void RequestRemoval_GuestEjects_NothingIsLeft()
    {
        PciFunction function = NewFunction(out PciBench.Registers device);
        _controller.Insert(function, Slot);
        PciDriver config = new(_bench.Guest, Slot);
        config.Write32(0x10, 0xc100_0000);
        config.Command(6);
        function.SetInterrupt(true);
        FakeLine link = _bench.Links[PciRootBus.Link(Slot, 1)];
        Assert.True(link.IsAsserted);
        _controller.RequestRemoval(function);
        Assert.Equal((2, SlotBit), (_events, In(Down)));
        Assert.Empty(_ejected);
        Out(Down, SlotBit);
        Out(Ej, SlotBit);
        Assert.Equal(function, Assert.Single(_ejected));
        Assert.False(link.IsAsserted);
        Assert.Equal((uint.MaxValue, 1 << 3 | 1u), (config.Read32(0), In(Present)));
        _bench.Guest.Store32(0xc100_0010, 1);
        Assert.Equal(0, device.Writes);
        function.SetInterrupt(true);
        Assert.False(link.IsAsserted);
        Assert.False(function.TrySend(new(0xfee0_0000, 0x41)));
    }

    [Fact]
    public void Eject_TwoAtOnceAndEmptyOnes_EachTaken()
    {
        _controller.Insert(NewFunction(out _), 4);
        _controller.Insert(NewFunction(out _), 5);
        Out(Ej, uint.MaxValue);
        // Device 3 stood there from the beginning; the host bridge is no slot.
        Assert.Equal(3, _ejected.Count);
        Assert.Equal((1u, 0u), (In(Present), In(Up)));
        Out(Ej, uint.MaxValue);
        Assert.Equal(3, _ejected.Count);
    }

    [Fact]
    public void Slot_FreedByTheGuest_TakesAnother()
    {
        for (int i = 0; i < 50; i++)
        {
            PciFunction function = NewFunction(out _);
            _controller.Insert(function, Slot);
            _controller.RequestRemoval(function);
            Out(Ej, SlotBit);
        }

        Assert.Equal(50, _ejected.Distinct().Count());
        Assert.Equal((0u, 0u), (In(Up), In(Down)));
    }

    [Fact]
    public void RequestRemoval_OfOneThatHasGone_Nothing()
    {
        PciFunction function = NewFunction(out _);
        _controller.Insert(function, Slot);
        Out(Ej, SlotBit);
        _controller.Insert(NewFunction(out _), Slot);
        _controller.RequestRemoval(function);
        Assert.Equal((2, 0u), (_events, In(Down)));
    }

    [Fact]
    public void FreedRange_OfAnEjectedDevice_GoesToTheOneThatWantedIt()
    {
        PciFunction first = NewFunction(out PciBench.Registers firstDevice);
        _controller.Insert(first, 4);
        _controller.Insert(NewFunction(out PciBench.Registers secondDevice), 5);
        foreach (int slot in new[] { 4, 5 })
        {
            PciDriver config = new(_bench.Guest, slot);
            config.Write32(0x10, 0xc100_0000);
            config.Command(2);
        }

        _bench.Guest.Store32(0xc100_0000, 0);
        Out(Ej, 1u << 4);
        _bench.Guest.Store32(0xc100_0000, 0);
        Assert.Equal((1, 1), (firstDevice.Writes, secondDevice.Writes));
    }

    [Fact]
    public void State_Pending_Kept()
    {
        PciFunction function = NewFunction(out _);
        _controller.Insert(function, Slot);
        _controller.RequestRemoval(function);
        PciHotPlug fresh = new(_bench.Bus, 0xffff_fffe, () => { }, _ => { });
        StateContract.Check(_controller, fresh);
        Assert.Equal((SlotBit, SlotBit), (fresh.Save().Arrived, fresh.Save().Leaving));
        Assert.Throws<StateException>(() => fresh.Restore(new PciHotPlugState { Version = 2 }));
    }

    [Fact]
    public void Hostile_RandomAccessesWhileDevicesComeAndGo_NeverThrows()
    {
        HostileGuest guest = new(11)
        {
            Meanwhile = random =>
            {
                int slot = random.Next(1, 32);
                if (_bench.Bus.FunctionsOf(slot) is [var there, ..]) _controller.RequestRemoval(there);
                else _controller.Insert(NewFunction(out _), slot);
                if (random.Next(8) == 0) StateContract.Check(_controller, _controller);
            },
        };
        guest.Torment(100_000, new FakeClock(), _bench.Guest.Ports);
        Assert.True(_ejected.Count > 100, $"{_ejected.Count} ejected");
        Assert.Equal(_ejected.Count, _ejected.Distinct().Count());
    }

    private static PciFunction NewFunction(out PciBench.Registers device)
    {
        device = new PciBench.Registers();
        PciFunction function = new("plugged", new PciIdentity { VendorId = 0x1af4, DeviceId = 0x1041, ClassCode = 0x020000 }, interruptPin: 1);
        function.AddBar(new PciBar(0, PciBarKind.Memory32, 0x1000, device));
        return function;
    }

    private uint In(int port) => _bench.Guest.In32((ushort)port);

    private void Out(int port, uint value) => _bench.Guest.Out32((ushort)port, value);
}
