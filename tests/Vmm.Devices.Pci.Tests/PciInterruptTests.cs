using Vmm.Core.Interrupts;

namespace Vmm.Devices.Pci.Tests;

public class PciInterruptTests
{
    private const ushort Enable = 0x8000, FunctionMask = 0x4000;
    private const ulong TableAddress = 0xc000_0000, PbaAddress = TableAddress + 0x1000;
    private readonly PciBench _bench = new();

    [Theory]
    [InlineData(0, 1, 0)]
    [InlineData(3, 2, 0)]
    [InlineData(31, 4, 2)]
    public void Link_DeviceAndPin_Swizzled(int device, int pin, int link) => Assert.Equal(link, PciRootBus.Link(device, pin));

    [Fact]
    public void Wire_Asserted_DrivesItsLinkAndShowsInStatus()
    {
        _bench.Function.SetInterrupt(true);
        Assert.True(_bench.Links[0].IsAsserted);
        Assert.Equal(0x0018, _bench.Config.Read16(6));
        _bench.Function.SetInterrupt(false);
        Assert.False(_bench.Links[0].IsAsserted);
        Assert.Equal(0x0010, _bench.Config.Read16(6));
    }

    [Fact]
    public void Wire_InterruptDisable_SilentButInStatus()
    {
        _bench.Function.SetInterrupt(true);
        _bench.Config.Command(0x400);
        Assert.False(_bench.Links[0].IsAsserted);
        Assert.Equal(0x0018, _bench.Config.Read16(6));
        _bench.Config.Command(0);
        Assert.True(_bench.Links[0].IsAsserted);
    }

    [Fact]
    public void Msix_Enabled_SendsTheEntryWithRequesterId()
    {
        EnableMsix(Enable);
        Program(5, 0x1234_fee0_0000, 0x41, masked: false);
        _bench.Msix.Raise(5);
        Assert.Equal((new MsiMessage(0x1234_fee0_0000, 0x41), (ushort)(3 << 3)), Assert.Single(_bench.Msi.Messages));
        Assert.Equal(0u, _bench.Guest.Load32(PbaAddress));
    }

    [Fact]
    public void Msix_Masked_PendingUntilUnmasked()
    {
        EnableMsix(Enable);
        Program(66, 0xfee0_0000, 0x42, masked: true);
        _bench.Msix.Raise(66);
        Assert.Empty(_bench.Msi.Messages);
        Assert.Equal(1u << 2, _bench.Guest.Load32(PbaAddress + 8));
        Program(66, 0xfee0_0000, 0x43, masked: false);
        Assert.Equal(0x43u, Assert.Single(_bench.Msi.Messages).Message.Data);
        Assert.Equal(0u, _bench.Guest.Load32(PbaAddress + 8));
    }

    [Fact]
    public void Msix_FunctionMask_HoldsAllBack()
    {
        EnableMsix(Enable | FunctionMask);
        Program(0, 0xfee0_0000, 0x50, masked: false);
        Program(1, 0xfee0_0000, 0x51, masked: false);
        _bench.Msix.Raise(0);
        _bench.Msix.Raise(1);
        Assert.Equal(3u, _bench.Guest.Load32(PbaAddress));
        Assert.Empty(_bench.Msi.Messages);
        _bench.Config.Write16(PciBench.MsixOffset + 2, Enable);
        Assert.Equal([0x50u, 0x51u], _bench.Msi.Messages.Select(m => m.Message.Data));
    }

    [Fact]
    public void Msix_NoBusMaster_PendingUntilItIs()
    {
        EnableMsix(Enable);
        Program(0, 0xfee0_0000, 0x50, masked: false);
        _bench.Config.Command(2);
        _bench.Msix.Raise(0);
        Assert.Empty(_bench.Msi.Messages);
        _bench.Config.Command(6);
        Assert.Single(_bench.Msi.Messages);
    }

    [Fact]
    public void Msix_Disabled_NothingIsKept()
    {
        EnableMsix(0);
        Program(0, 0xfee0_0000, 0x50, masked: false);
        _bench.Msix.Raise(0);
        _bench.Config.Write16(PciBench.MsixOffset + 2, Enable);
        Assert.Empty(_bench.Msi.Messages);
    }

    [Fact]
    public void Msix_Capability_SizeAndPlaces()
    {
        Assert.Equal(69, _bench.Config.Read16(PciBench.MsixOffset + 2));
        Assert.Equal((uint)PciBench.MsixBar, _bench.Config.Read32(PciBench.MsixOffset + 4));
        Assert.Equal(0x1000u | PciBench.MsixBar, _bench.Config.Read32(PciBench.MsixOffset + 8));
    }

    [Fact]
    public void Msix_Table_QuadwordsAndRefusedWidths()
    {
        EnableMsix(0);
        _bench.Guest.Store(TableAddress + 16, 0x0000_0001_fee0_1004, 8);
        Assert.Equal(0x0000_0001_fee0_1004ul, _bench.Guest.Load(TableAddress + 16, 8));
        Assert.Equal(0xfful, _bench.Guest.Load(TableAddress + 16, 1));
        Assert.Equal(1u, _bench.Guest.Load32(TableAddress + 28));
        _bench.Guest.Store32(TableAddress + 70 * 16, 1);
        Assert.Equal(0u, _bench.Guest.Load32(TableAddress + 70 * 16));
    }

    [Fact]
    public void Msi_MultipleVectors_DataCarriesTheNumber()
    {
        int msi = _bench.MsiOffset;
        Assert.Equal(0x0180 | (2 << 1), _bench.Config.Read16(msi + 2));
        _bench.Config.Write32(msi + 4, 0xfee0_0003);
        _bench.Config.Write32(msi + 8, 1);
        _bench.Config.Write16(msi + 12, 0x4f);
        _bench.Config.Write16(msi + 2, 1 | (1 << 4));
        _bench.Config.Command(4);
        for (int vector = 0; vector < 5; vector++) _bench.MsiVectors.Raise(vector);
        Assert.Equal([0x4eu, 0x4fu, 0x4eu, 0x4fu], _bench.Msi.Messages.Select(m => m.Message.Data));
        Assert.Equal(0x1_fee0_0000ul, _bench.Msi.Messages[0].Message.Address);
    }

    [Fact]
    public void Msi_MaskedVector_PendingUntilUnmasked()
    {
        int msi = _bench.MsiOffset;
        _bench.Config.Command(4);
        _bench.Config.Write32(msi + 16, uint.MaxValue);
        Assert.Equal(0xfu, _bench.Config.Read32(msi + 16));
        _bench.Config.Write16(msi + 2, 1 | (2 << 4));
        _bench.MsiVectors.Raise(2);
        Assert.Equal(4u, _bench.Config.Read32(msi + 20));
        _bench.Config.Write32(msi + 16, 0xb);
        Assert.Equal(2u, Assert.Single(_bench.Msi.Messages).Message.Data);
        Assert.Equal(0u, _bench.Config.Read32(msi + 20));
    }

    private void EnableMsix(ushort control)
    {
        _bench.Config.Write32(0x10 + 4 * PciBench.MsixBar, (uint)TableAddress);
        _bench.Config.Command(6);
        _bench.Config.Write16(PciBench.MsixOffset + 2, control);
    }

    private void Program(int vector, ulong address, uint data, bool masked)
    {
        ulong entry = TableAddress + (ulong)vector * 16;
        _bench.Guest.Store(entry, address, 8);
        _bench.Guest.Store32(entry + 8, data);
        _bench.Guest.Store32(entry + 12, masked ? 1u : 0u);
    }
}
