using Vmm.TestKit;

namespace Vmm.Devices.Pci.Tests;

public class PciBarTests
{
    private const int Bar0 = 0x10, IoBar = 0x14, WideBar = 0x18, MsixBar = 0x20;
    private readonly PciBench _bench = new();

    [Theory]
    [InlineData(Bar0, 0xfffff000u)]
    [InlineData(IoBar, 0xffffffe1u)]
    [InlineData(WideBar, 0xfff0000cu)]
    [InlineData(WideBar + 4, 0xffffffffu)]
    [InlineData(MsixBar, 0xffffe000u)]
    [InlineData(MsixBar + 4, 0u)]
    public void Sizing_AllOnesWritten_MaskAndTypeRead(int offset, uint expected)
    {
        _bench.Config.Write32(offset, uint.MaxValue);
        Assert.Equal(expected, _bench.Config.Read32(offset));
    }

    [Fact]
    public void Decode_Disabled_NobodyAnswers()
    {
        _bench.Config.Write32(Bar0, 0xc000_1000);
        Assert.Equal(uint.MaxValue, _bench.Guest.Load32(0xc000_1000));
    }

    [Fact]
    public void Decode_Enabled_DeviceSeesRegionAndOffset()
    {
        _bench.Config.Write32(Bar0, 0xc000_1000);
        _bench.Config.Write32(IoBar, 0xc020);
        _bench.Config.Write32(WideBar, 0x10_0000);
        _bench.Config.Write32(WideBar + 4, 0x80);
        _bench.Config.Command(3);
        Assert.Equal(0u, _bench.Guest.Load32(0xc000_1010));
        Assert.Equal((PciBench.MemoryBar, 0x10ul), (_bench.Device.Last.Region, _bench.Device.Last.Offset));
        Assert.Equal(0x01010101u, _bench.Guest.In32(0xc03c));
        Assert.Equal((PciBench.IoBar, 0x1cul), (_bench.Device.Last.Region, _bench.Device.Last.Offset));
        Assert.Equal(0x02020202u, _bench.Guest.Load32(PciBench.Memory64 + 0x10_0000));
    }

    [Fact]
    public void Relocation_WhileDecoding_OldPlaceEmptyNewPlaceAnswers()
    {
        _bench.Config.Write32(Bar0, 0xc000_1000);
        _bench.Config.Command(2);
        _bench.Config.Write32(Bar0, 0xc010_0000);
        Assert.Equal(uint.MaxValue, _bench.Guest.Load32(0xc000_1000));
        Assert.Equal(0u, _bench.Guest.Load32(0xc010_0000));
        _bench.Config.Command(0);
        Assert.Equal(uint.MaxValue, _bench.Guest.Load32(0xc010_0000));
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(0xe000_0000u)]
    [InlineData(0xfec0_0000u)]
    public void Relocation_OutsideTheWindows_NotDecoded(uint address)
    {
        _bench.Config.Command(2);
        _bench.Config.Write32(Bar0, address);
        Assert.DoesNotContain(_bench.Guest.Mmio.Ranges, r => r.Start == address && r.Name == "test");
    }

    [Fact]
    public void Overlap_WithAnother_DecodedOnceTheOtherLeaves()
    {
        PciBench.Registers device = new();
        PciFunction other = new("other", new PciIdentity { VendorId = 1, DeviceId = 2, ClassCode = 0 });
        other.AddBar(new PciBar(0, PciBarKind.Memory32, 0x1000, device));
        _bench.Bus.Add(other, 5);
        PciDriver config = new(_bench.Guest, 5);
        _bench.Config.Write32(Bar0, 0xc000_1000);
        config.Write32(Bar0, 0xc000_1000);
        _bench.Config.Command(2);
        config.Command(2);
        _bench.Guest.Store32(0xc000_1000, 0);
        Assert.Equal((1, 0), (_bench.Device.Writes, device.Writes));
        _bench.Config.Write32(Bar0, 0xc000_2000);
        _bench.Guest.Store32(0xc000_1000, 0);
        Assert.Equal((1, 1), (_bench.Device.Writes, device.Writes));
    }

    [Fact]
    public void PlaceBars_EveryBar_AlignedInItsWindowAndSilentUntilEnabled()
    {
        _bench.Bus.PlaceBars();
        Assert.All(_bench.Function.Bars, bar => Assert.Equal(0ul, _bench.Function.BarAddress(bar) % bar.SizeBytes));
        Assert.Equal(PciBench.Memory64, _bench.Config.BarAddress(PciBench.WideBar));
        Assert.Equal(PciBench.Memory32, _bench.Config.BarAddress(PciBench.MsixBar));
        Assert.DoesNotContain(_bench.Guest.Mmio.Ranges, r => r.Name == "test");
        _bench.Config.Command(3);
        Assert.Equal(3, _bench.Guest.Mmio.Ranges.Count(r => r.Name == "test"));
    }

    [Fact]
    public void PciBar_ImpossibleShape_Throws()
    {
        Assert.Throws<ArgumentException>(() => new PciBar(0, PciBarKind.Memory32, 24, _bench.Device));
        Assert.Throws<ArgumentException>(() => new PciBar(0, PciBarKind.Io, 512, _bench.Device));
        Assert.Throws<ArgumentOutOfRangeException>(() => new PciBar(5, PciBarKind.Memory64, 4096, _bench.Device));
        Assert.Throws<ArgumentException>(() => _bench.Function.AddBar(new PciBar(3, PciBarKind.Memory32, 16, _bench.Device)));
    }
}
