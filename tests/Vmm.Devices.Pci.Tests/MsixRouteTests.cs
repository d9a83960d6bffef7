using Vmm.Core.Interrupts;
using Vmm.TestKit;

namespace Vmm.Devices.Pci.Tests;

/// <summary>MSI-X where the interrupt controller keeps messages behind eventfds.</summary>
public sealed class MsixRouteTests : IDisposable
{
    private const ushort Enable = 0x8000, FunctionMask = 0x4000;
    private const ulong Window = 0xc000_0000, Pba = Window + 0x1000;
    private const ulong Apic = 0xfee0_0000;

    private readonly GuestDriver _guest = new();
    private readonly FakeMsi _msi = new();
    private readonly FakeMsiRouter _router;
    private readonly MsixTable _msix = new(4, 0);
    private readonly PciDriver _config;
    private readonly PciFunction _function;

    public MsixRouteTests()
    {
        _router = new FakeMsiRouter(_msi);
        PciRootBus bus = new(_guest.Ports, _guest.Mmio, new PciWindows { Memory32 = new PciWindow(Window, 0x1000_0000) }, [new FakeLine(), new FakeLine(), new FakeLine(), new FakeLine()], _router);
        new PciHostBridge(bus, _msix).AttachTo(_guest.Ports, _guest.Mmio, null);
        _function = new PciFunction("test", new PciIdentity { VendorId = 1, DeviceId = 2, ClassCode = 0xff0000 });
        _function.AddBar(_msix.NewBar());
        _function.AddCapability(_msix);
        bus.Add(_function, 3);
        bus.PlaceBars();
        _config = new PciDriver(_guest, 3);
        _config.Command(6);
        Control(Enable);
    }

    public void Dispose() => _msix.Dispose();

    [Fact]
    public void NobodyAskedForADescriptor_NoRouteIsMade()
    {
        Program(1, 0x41, masked: false);
        _msix.Raise(1);
        Assert.Empty(_router.Routes);
        Assert.Equal(3 << 3, Assert.Single(_msi.Messages).Requester);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Unmasked_RaisedThroughTheRoute(bool isAskedLater)
    {
        if (isAskedLater) Program(1, 0x41, masked: false);
        FakeMsiRouter.Route route = Ask(1);
        Program(1, 0x41, masked: false);
        Assert.Equal(new MsiMessage(Apic, 0x41), route.Message);
        _msix.Raise(1);
        Assert.Equal((new MsiMessage(Apic, 0x41), (ushort)0), Assert.Single(_msi.Messages));
        Program(1, 0x42, masked: false);
        Assert.Equal(new MsiMessage(Apic, 0x42), route.Message);
    }

    [Theory]
    [InlineData("vector")]
    [InlineData("function")]
    [InlineData("disable")]
    [InlineData("bus master")]
    public void Stopped_SignalsOfOthersAreKeptAndGoOutAfterwards(string how)
    {
        FakeMsiRouter.Route route = Ask(1);
        Program(1, 0x41, masked: false);
        Stop(how, true);
        Assert.Null(route.Message);
        route.Signal();
        Assert.Empty(_msi.Messages);
        Assert.Equal(2u, _guest.Load32(Pba));
        Assert.Equal([false, true, false, false], _msix.Save().Pending);
        Stop(how, false);
        Assert.Equal(1, _msi.CountOf(0x41));
        Assert.Equal(0u, _guest.Load32(Pba));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Masked_OwnInterrupts_KeptAsEver(bool hasRoute)
    {
        if (hasRoute) Ask(2);
        Program(2, 0x41, masked: true);
        _msix.Raise(2);
        Assert.Equal(4u, _guest.Load32(Pba));
        Program(2, 0x41, masked: false);
        Assert.Equal(1, _msi.CountOf(0x41));
    }

    [Fact]
    public void NoRouteFree_MessagesGoTheOtherWay()
    {
        _router.Limit = 1;
        Ask(0);
        Ask(1);
        Program(0, 0x40, masked: false);
        Program(1, 0x41, masked: false);
        _msix.Raise(0);
        _msix.Raise(1);
        Assert.Equal([0, 3 << 3], _msi.Messages.Select(m => (int)m.Requester));
        Stop("vector", true, vector: 0);
        Program(1, 0x42, masked: false);
        _msix.Raise(1);
        Assert.Equal(0, _msi.Messages[^1].Requester);
    }

    [Fact]
    public void Descriptor_BeforeTheGuestIsReady_TheSameOneLater()
    {
        int descriptor = _msix.Descriptor(3);
        _router.Routes[0].Signal();
        Program(3, 0x43, masked: false);
        Assert.Equal(1, _msi.CountOf(0x43));
        Assert.Equal(descriptor, _msix.Descriptor(3));
        Assert.Single(_router.Routes);
    }

    [Fact]
    public void Restore_InPlaceAndElsewhere_OpensTheRoutes()
    {
        Ask(1);
        Program(1, 0x41, masked: false);
        StateContract.Check(_msix, _msix);
        StateContract.Check(_function, _function);
        _msix.Raise(1);
        Assert.Equal(1, _msi.CountOf(0x41));
        using MsixRouteTests other = new();
        other.Ask(1);
        other._msix.Restore(_msix.Save());
        other._function.Restore(_function.Save());
        other._msix.Raise(1);
        Assert.Equal((1, 0), (other._msi.CountOf(0x41), other._msi.Messages[0].Requester));
    }

    [Fact]
    public void Dispose_RoutesGivenBackAndSilent()
    {
        Ask(1);
        Program(1, 0x41, masked: false);
        _msix.Dispose();
        Assert.True(_router.Routes[0].IsDisposed);
        _msix.Raise(1);
        Program(1, 0x42, masked: false);
        Assert.Empty(_msi.Messages);
        Assert.Equal(-1, _msix.Descriptor(1));
    }

    private FakeMsiRouter.Route Ask(int vector)
    {
        Assert.True(_msix.Descriptor(vector) > 0);
        return _router.Routes[^1];
    }

    private void Stop(string how, bool stop, uint vector = 1)
    {
        switch (how)
        {
            case "vector": _guest.Store32(Window + 16 * vector + 12, stop ? 1u : 0); break;
            case "function": Control(stop ? (ushort)(Enable | FunctionMask) : Enable); break;
            case "disable": Control(stop ? (ushort)0 : Enable); break;
            default: _config.Command(stop ? (ushort)2 : (ushort)6); break;
        }
    }

    private void Control(ushort value) => _config.Write16(PciRegisters.FirstCapability + 2, value);

    private void Program(uint vector, uint data, bool masked)
    {
        ulong entry = Window + 16 * vector;
        _guest.Store(entry, Apic, 8);
        _guest.Store(entry + 8, data | ((ulong)(masked ? 1u : 0) << 32), 8);
    }
}
