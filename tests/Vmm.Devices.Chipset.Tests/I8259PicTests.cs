using Vmm.Core.Interrupts;
using Vmm.TestKit;

namespace Vmm.Devices.Chipset.Tests;

public class I8259PicTests
{
    private readonly FabricBench _bench = new();

    private GuestDriver Guest => _bench.Guest;

    [Fact]
    public void Imr_AfterInitialization_ReadsBack()
    {
        _bench.InitializePic();
        Guest.Out8(0x21, 0xfb);
        Assert.Equal(0xfb, Guest.In8(0x21));
    }

    [Fact]
    public void Edge_VirtualWire_VectorWithoutASoftwareEnabledApic()
    {
        _bench.InitializePic();
        _bench.Fabric.Line(4).SetLevel(true);
        Assert.Equal(0x34, _bench.Acknowledge());
        Assert.Equal(-1, _bench.Acknowledge());
        Guest.Out8(0x20, 0x0b);
        Assert.Equal(1 << 4, Guest.In8(0x20));
        Guest.Out8(0x20, 0x20);
        Assert.Equal(0, Guest.In8(0x20));
        Assert.Equal(-1, _bench.Acknowledge());
    }

    [Fact]
    public void Slave_Interrupt_PassesTheCascadeAndNeedsTwoEois()
    {
        _bench.InitializePic();
        _bench.Fabric.Line(12).Pulse();
        Assert.Equal(0x3c, _bench.Acknowledge());
        _bench.Fabric.Line(14).Pulse();
        Assert.Equal(-1, _bench.Acknowledge());
        Guest.Out8(0xa0, 0x20);
        Guest.Out8(0x20, 0x20);
        Assert.Equal(0x3e, _bench.Acknowledge());
    }

    [Fact]
    public void SpecialFullyNested_HigherSlaveRequest_Interrupts()
    {
        _bench.InitializePic(icw4: 0x11);
        _bench.Fabric.Line(12).Pulse();
        Assert.Equal(0x3c, _bench.Acknowledge());
        _bench.Fabric.Line(8).Pulse();
        Assert.Equal(0x38, _bench.Acknowledge());
    }

    [Fact]
    public void Priority_LowerWaitsUntilEoi()
    {
        _bench.InitializePic();
        _bench.Fabric.Line(3).Pulse();
        Assert.Equal(0x33, _bench.Acknowledge());
        _bench.Fabric.Line(5).Pulse();
        _bench.Fabric.Line(1).Pulse();
        Assert.Equal(0x31, _bench.Acknowledge());
        Assert.Equal(-1, _bench.Acknowledge());
        Guest.Out8(0x20, 0x61);
        Guest.Out8(0x20, 0x63);
        Assert.Equal(0x35, _bench.Acknowledge());
    }

    [Fact]
    public void RotateOnEoi_ServedPinBecomesTheLowest()
    {
        _bench.InitializePic();
        _bench.Fabric.Line(3).Pulse();
        Assert.Equal(0x33, _bench.Acknowledge());
        Guest.Out8(0x20, 0xa0);
        _bench.Fabric.Line(3).Pulse();
        _bench.Fabric.Line(7).Pulse();
        Assert.Equal(0x37, _bench.Acknowledge());
    }

    [Fact]
    public void AutoEoi_NeverInService()
    {
        _bench.InitializePic(icw4: 3);
        _bench.Fabric.Line(3).Pulse();
        Assert.Equal(0x33, _bench.Acknowledge());
        Guest.Out8(0x20, 0x0b);
        Assert.Equal(0, Guest.In8(0x20));
        _bench.Fabric.Line(5).Pulse();
        Assert.Equal(0x35, _bench.Acknowledge());
    }

    [Fact]
    public void SpecialMask_LowerPriorityInterruptsWhileHigherIsInServiceAndMasked()
    {
        _bench.InitializePic();
        _bench.Fabric.Line(3).Pulse();
        Assert.Equal(0x33, _bench.Acknowledge());
        Guest.Out8(0x21, 1 << 3);
        Guest.Out8(0x20, 0x68);
        _bench.Fabric.Line(5).Pulse();
        Assert.Equal(0x35, _bench.Acknowledge());
    }

    [Fact]
    public void Poll_ReadTakesTheInterruptIntoService()
    {
        _bench.InitializePic();
        _bench.Fabric.Line(6).Pulse();
        Guest.Out8(0x20, 0x0c);
        Assert.Equal(0x86, Guest.In8(0x20));
        Assert.Equal(-1, _bench.Acknowledge());
    }

    [Fact]
    public void Elcr_LevelTriggered_RepeatsWhileAssertedAndSomePinsStayEdges()
    {
        _bench.InitializePic();
        Guest.Out16(0x4d0, 0xffff);
        Assert.Equal(0xdef8, Guest.In16(0x4d0));
        _bench.Fabric.Line(5).SetLevel(true);
        Assert.Equal(0x35, _bench.Acknowledge());
        Guest.Out8(0x20, 0x20);
        Assert.Equal(0x35, _bench.Acknowledge());
        _bench.Fabric.Line(5).SetLevel(false);
        Guest.Out8(0x20, 0x20);
        Assert.Equal(-1, _bench.Acknowledge());
    }

    [Fact]
    public void BeforeInitialization_NothingLeavesTheChip()
    {
        _bench.Fabric.Line(4).Pulse();
        Assert.Equal(-1, _bench.Acknowledge());
    }

    [Fact]
    public void Masked_EdgeIsKeptUntilUnmasked()
    {
        _bench.InitializePic();
        Guest.Out8(0x21, 0xff);
        _bench.Fabric.Line(4).Pulse();
        Assert.Equal(-1, _bench.Acknowledge());
        Guest.Out8(0x21, 0);
        Assert.Equal(0x34, _bench.Acknowledge());
    }

    [Fact]
    public void LvtLint0Fixed_IntrEdge_IsAnApicInterrupt()
    {
        _bench.Enable();
        _bench.InitializePic(icw4: 3);
        _bench.WriteApic(ApicRegister.LVT_LINT0, 0x55);
        _bench.Fabric.Line(0).SetLevel(true);
        Assert.Equal(0x55, _bench.Acknowledge());
    }

    [Fact]
    public void State_UnderLoad_RestoredPairGoesOn()
    {
        _bench.InitializePic();
        _bench.Fabric.Line(3).SetLevel(true);
        Assert.Equal(0x33, _bench.Acknowledge());
        _bench.Fabric.Line(1).SetLevel(true);
        FabricBench other = new();
        StateContract.Check(_bench.Fabric.Pic, other.Fabric.Pic);
        Assert.Equal(0x31, other.Acknowledge());
        other.Guest.Out8(0x20, 0x20);
        other.Guest.Out8(0x20, 0x20);
        Assert.Equal(-1, other.Acknowledge());
        other.Fabric.Line(3).SetLevel(true);
        Assert.Equal(-1, other.Acknowledge());
    }

    [Fact]
    public void InterruptCycle_Warm_AllocatesNothing()
    {
        _bench.InitializePic();
        byte[] eoi = [0x20];
        IInterruptLine line = _bench.Fabric.Line(4);
        long before = 0;
        for (int i = 0; i < 2000; i++)
        {
            if (i == 1000) before = GC.GetAllocatedBytesForCurrentThread();
            line.Pulse();
            Assert.True(_bench.Acknowledge() == 0x34);
            Guest.Ports.Write(0x20, eoi, 0);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
