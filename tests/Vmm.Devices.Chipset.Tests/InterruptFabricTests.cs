using Vmm.Core.Interrupts;
using Vmm.TestKit;

namespace Vmm.Devices.Chipset.Tests;

public class InterruptFabricTests
{
    private const ulong Level = 1 << 15;
    private const ulong Masked = 1 << 16;
    private readonly FabricBench _bench = new FabricBench(vcpus: 2).Enable();

    [Fact]
    public void IoApic_Identity_TwentyFourPinsWithEoiRegister()
    {
        Assert.Equal(0x00170020u, _bench.ReadIoApic(1));
        _bench.WriteIoApic(0, 0xff000000);
        Assert.Equal(0x0f000000u, _bench.ReadIoApic(0));
        Assert.Equal(0x00010000u, _bench.ReadIoApic(0x10));
    }

    [Fact]
    public void Line_EdgeEntry_OneInterruptForEachRise()
    {
        _bench.Redirect(4, 0x44 | 1ul << 56);
        IInterruptLine line = _bench.Fabric.Line(4);
        line.SetLevel(true);
        line.SetLevel(true);
        Assert.Equal(0x44, _bench.Acknowledge(1));
        _bench.EndOfInterrupt(1);
        Assert.Equal(-1, _bench.Acknowledge(1));
        line.SetLevel(false);
        line.SetLevel(true);
        Assert.Equal(0x44, _bench.Acknowledge(1));
    }

    [Fact]
    public void Line_LevelEntry_AgainAfterEoiWhileAsserted()
    {
        _bench.Redirect(9, 0x49 | Level);
        IInterruptLine line = _bench.Fabric.Line(9);
        line.SetLevel(true);
        Assert.Equal(0x49, _bench.Acknowledge());
        Assert.NotEqual(0u, _bench.ReadIoApic(0x10 + 18) & (uint)IoApicEntry.RIRR);
        Assert.NotEqual(0u, _bench.ReadApic(ApicRegister.TMR + 2) & 1u << 9);
        _bench.EndOfInterrupt();
        Assert.Equal(0x49, _bench.Acknowledge());
        line.SetLevel(false);
        _bench.EndOfInterrupt();
        Assert.Equal(-1, _bench.Acknowledge());
        Assert.Equal(0u, _bench.ReadIoApic(0x10 + 18) & (uint)IoApicEntry.RIRR);
    }

    [Fact]
    public void EoiBroadcastSuppressed_DirectedEoiRegister_ClearsRemoteIrr()
    {
        _bench.WriteApic(ApicRegister.SVR, 0x11ff);
        _bench.Redirect(9, 0x49 | Level);
        _bench.Fabric.Line(9).SetLevel(true);
        Assert.Equal(0x49, _bench.Acknowledge());
        _bench.EndOfInterrupt();
        Assert.Equal(-1, _bench.Acknowledge());
        _bench.Guest.Store32(IoApic.DefaultAddress + 0x40, 0x49);
        Assert.Equal(0x49, _bench.Acknowledge());
    }

    [Fact]
    public void MaskedEntry_EdgeIsLost_LevelIsNot()
    {
        _bench.Redirect(4, 0x44 | Masked);
        _bench.Redirect(9, 0x49 | Masked | Level);
        _bench.Fabric.Line(4).SetLevel(true);
        _bench.Fabric.Line(9).SetLevel(true);
        _bench.Redirect(4, 0x44);
        Assert.Equal(-1, _bench.Acknowledge());
        _bench.Redirect(9, 0x49 | Level);
        Assert.Equal(0x49, _bench.Acknowledge());
    }

    [Fact]
    public void SwitchToEdge_ClearsRemoteIrr()
    {
        _bench.Redirect(9, 0x49 | Level);
        _bench.Fabric.Line(9).SetLevel(true);
        _bench.Redirect(9, 0x49 | Masked);
        Assert.Equal(0u, _bench.ReadIoApic(0x10 + 18) & (uint)IoApicEntry.RIRR);
    }

    [Fact]
    public void Line0_IsIoApicPin2()
    {
        _bench.Redirect(2, 0x42);
        _bench.Redirect(0, 0x40);
        _bench.Fabric.Line(0).Pulse();
        Assert.Equal(0x42, _bench.Acknowledge());
        _bench.EndOfInterrupt();
        Assert.Equal(-1, _bench.Acknowledge());
        _bench.Fabric.Line(2).Pulse();
        Assert.Equal(-1, _bench.Acknowledge());
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(24)]
    public void Line_NoSuchGsi_Throws(int gsi) => Assert.Throws<ArgumentOutOfRangeException>(() => _bench.Fabric.Line(gsi));

    [Theory]
    [InlineData(0xfee01000ul, 0x51u, 1)]
    [InlineData(0xfee00000ul, 0x51u, 0)]
    [InlineData(0xfee02004ul, 0x51u, 1)]
    [InlineData(0xfee0300cul, 0x51u, 0)]
    public void Msi_PhysicalLogicalAndHint_ReachesOne(ulong address, uint data, int expected)
    {
        _bench.WriteApic(ApicRegister.LDR, 1u << 24);
        _bench.WriteApic(ApicRegister.LDR, 2u << 24, 1);
        _bench.WriteApic(ApicRegister.TPR, 0x20, 1);
        _bench.Fabric.Msi.Signal(new MsiMessage(address, data), 0);
        Assert.Equal(0x51, _bench.Acknowledge(expected));
        Assert.Equal(-1, _bench.Acknowledge(1 - expected));
    }

    [Fact]
    public void Msi_OutsideTheWindow_Ignored()
    {
        _bench.Fabric.Msi.Signal(new MsiMessage(0xfed00000, 0x51), 0);
        _bench.Fabric.Msi.Signal(new MsiMessage(0x1_fee00000, 0x51), 0);
        Assert.Equal(-1, _bench.Acknowledge());
    }

    [Fact]
    public void Msi_XApicBroadcast_ReachesX2ApicMode()
    {
        FabricBench bench = new FabricBench(vcpus: 3).EnableX2Apic();
        bench.Fabric.Msi.Signal(new MsiMessage(0xfeeff000, 0x51), 0);
        Assert.Equal([0x51, 0x51, 0x51], Enumerable.Range(0, 3).Select(i => bench.Acknowledge(i)));
    }

    [Fact]
    public void Nmi_Button_OnlyWhereLint1IsOpen()
    {
        _bench.WriteApic(ApicRegister.LVT_LINT1, 0x400);
        _bench.Fabric.PulseNmi();
        Assert.Equal(1, _bench.Signals[0].Nmis);
        Assert.Equal(0, _bench.Signals[1].Nmis);
    }

    [Fact]
    public void CreateLocalApic_Twice_Throws() =>
        Assert.Throws<ArgumentException>(() => _bench.Fabric.CreateLocalApic(1, _bench.Signals[1]));

    [Fact]
    public void IoApicState_UnderLoad_RoundTripsWithoutASecondInterrupt()
    {
        _bench.Redirect(9, 0x49 | Level);
        _bench.Fabric.Line(9).SetLevel(true);
        Assert.Equal(0x49, _bench.Acknowledge());
        FabricBench other = new FabricBench().Enable();
        other.Fabric.Line(9).RestoreLevel(true);
        StateContract.Check(_bench.Fabric.IoApic, other.Fabric.IoApic);
        Assert.Equal(-1, other.Acknowledge());
        other.Fabric.IoApic.EndOfInterrupt(0x49);
        Assert.Equal(0x49, other.Acknowledge());
    }

    [Fact]
    public void RouteChanged_OnlyOpenLevelEntriesHaveAMessage()
    {
        List<(int Pin, MsiMessage? Message)> routes = [];
        _bench.Fabric.IoApic.RouteChanged = (pin, message) => routes.Add((pin, message));
        _bench.Redirect(5, 0x45 | Level | 3ul << 56);
        Assert.Equal((5, new MsiMessage(0xfee03000, 0x8045)), routes[^1]);
        _bench.Redirect(5, 0x45 | Level | Masked);
        Assert.Equal((5, null), routes[^1]);
        _bench.Redirect(5, 0x45);
        Assert.Equal((5, null), routes[^1]);
    }

    [Fact]
    public void Fabric_ManyThreads_NeitherDeadlocksNorLosesTheLastLevel()
    {
        _bench.Redirect(9, 0x49 | Level);
        Thread[] threads =
        [
            .. Enumerable.Range(0, 2).Select(vcpu => new Thread(() => RunVcpu(vcpu))),
            .. Enumerable.Range(4, 2).Select(gsi => new Thread(() => ToggleLine(gsi))),
            new Thread(() => ToggleLine(9)),
        ];
        foreach (Thread thread in threads) thread.Start();
        foreach (Thread thread in threads) Assert.True(thread.Join(TimeSpan.FromSeconds(30)));
        while (_bench.Acknowledge() >= 0) _bench.EndOfInterrupt();
        _bench.Fabric.Line(9).SetLevel(true);
        Assert.Equal(0x49, _bench.Acknowledge());
    }

    private void RunVcpu(int vcpu)
    {
        for (int i = 0; i < 20_000; i++)
        {
            if (_bench.Acknowledge(vcpu) >= 0) _bench.EndOfInterrupt(vcpu);
            _bench.WriteApic(ApicRegister.ICR, 0xc0000u | 0x60, vcpu);
            if (vcpu == 0) continue;
            _bench.Redirect(4, 0x44 | (ulong)(i & 1) << 56);
            _bench.Guest.Out8(0x20, 0x20);
        }
    }

    private void ToggleLine(int gsi)
    {
        for (int i = 0; i < 40_000; i++) _bench.Fabric.Line(gsi).SetLevel((i & 1) == 0);
    }

    [Fact]
    public void Reset_UnderLoad_IsPowerOn()
    {
        _bench.Redirect(9, 0x49 | Level);
        _bench.Fabric.Line(9).SetLevel(true);
        _bench.Fabric.Reset();
        Assert.Equal(-1, _bench.Acknowledge());
        Assert.Equal(0x10000u, _bench.ReadIoApic(0x10 + 18));
        Assert.Equal(0xffu, _bench.ReadApic(ApicRegister.SVR));
    }

    [Fact]
    public void Everything_HostileGuest_NeverThrowsNorAllocates()
    {
        HostileGuest hostile = new(20261123)
        {
            Meanwhile = random =>
            {
                int vcpu = random.Next(2);
                _bench.Acknowledge(vcpu);
                _bench.Fabric.Line(random.Next(24)).SetLevel(random.Next(2) == 0);
                _bench.Fabric.Signal(new MsiMessage(0xfee00000 | (ulong)random.Next(0x100000), (uint)random.Next()), 0);
                _bench.Apics[vcpu].TryWriteMsr((uint)random.Next(0x800, 0x840), (ulong)random.NextInt64());
                _bench.Apics[vcpu].TrySetApicBase(0xfee00800 | (ulong)random.Next(4) << 10);
                _bench.Apics[vcpu].TryReadMsr((uint)random.Next(0x7ff, 0x901), out _);
            },
        };
        hostile.Torment(2000, _bench.Clock, _bench.Guest.Ports, _bench.Guest.Mmio);
        long allocated = hostile.Torment(100_000, _bench.Clock, _bench.Guest.Ports, _bench.Guest.Mmio);
        Assert.InRange(allocated, 0, 100_000);
    }
}
