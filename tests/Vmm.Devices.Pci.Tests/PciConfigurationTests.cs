using Vmm.TestKit;

namespace Vmm.Devices.Pci.Tests;

public class PciConfigurationTests
{
    private readonly PciBench _bench = new();

    [Fact]
    public void Identity_ThroughPorts_AsGiven()
    {
        Assert.Equal(0x10421af4u, _bench.Config.Read32(0));
        Assert.Equal(0x01080203u, _bench.Config.Read32(8));
        Assert.Equal(0x00080007u, _bench.Config.Read32(0x2c));
        Assert.Equal(2, _bench.Config.Read8(0x3d));
        Assert.Equal(0x0600, new PciDriver(_bench.Guest, 0).Read16(0x0a));
    }

    [Theory]
    [InlineData(1, 0x1a)]
    [InlineData(2, 0x1042)]
    public void Identity_NarrowAccess_TheRightLanes(int width, int expected)
        => Assert.Equal(expected, width == 1 ? _bench.Config.Read8(1) : _bench.Config.Read16(2));

    [Fact]
    public void AbsentFunction_ReadsAllOnes()
    {
        Assert.Equal(uint.MaxValue, new PciDriver(_bench.Guest, 4).Read32(0));
        Assert.Equal(uint.MaxValue, new PciDriver(_bench.Guest, 3, 1).Read32(0));
        Assert.Equal(uint.MaxValue, _bench.Guest.Load32(PciBench.Ecam + (4 << 15)));
    }

    [Fact]
    public void ConfigAddress_EnableClear_NothingAnswers()
    {
        _bench.Guest.Out32(0xcf8, 3 << 11);
        Assert.Equal(uint.MaxValue, _bench.Guest.In32(0xcfc));
    }

    [Fact]
    public void ConfigAddress_ReadBack_WithoutReservedBits()
    {
        _bench.Guest.Out32(0xcf8, uint.MaxValue);
        Assert.Equal(0x80fffffcu, _bench.Guest.In32(0xcf8));
    }

    [Fact]
    public void ConfigAddress_ByteWrite_PassesByTheRegister()
    {
        _bench.Guest.Out32(0xcf8, 0x80000000);
        _bench.Guest.Out8(0xcfb, 1);
        Assert.Equal(0x80000000u, _bench.Guest.In32(0xcf8));
        Assert.Equal(0, _bench.Reset.Writes);
    }

    [Fact]
    public void Port0xcf9_ByteAccess_ReachesResetControl()
    {
        _bench.Guest.Out8(0xcf9, 6);
        Assert.Equal(1, _bench.Reset.Writes);
        Assert.Equal(0ul, _bench.Reset.Last.Offset);
        Assert.Equal(0, _bench.Guest.In8(0xcf9));
    }

    [Fact]
    public void Ecam_SameRegistersAsPorts_ExtendedSpaceEmpty()
    {
        ulong window = PciBench.Ecam + (3 << 15);
        Assert.Equal(0x10421af4u, _bench.Guest.Load32(window));
        _bench.Guest.Store(window + 0x3c, 0x5a, 1);
        Assert.Equal(0x5a, _bench.Config.Read8(0x3c));
        Assert.Equal(0u, _bench.Guest.Load32(window + 0x100));
        Assert.Equal(ulong.MaxValue, _bench.Guest.Load(window, 8));
        Assert.Equal(0xfffful, _bench.Guest.Load(window + 1, 2));
    }

    [Fact]
    public void ReadOnlyRegisters_Written_KeepTheirValue()
    {
        for (int offset = 0; offset < 0x40; offset += 4) _bench.Config.Write32(offset, 0);
        Assert.Equal(0x10421af4u, _bench.Config.Read32(0));
        Assert.Equal(0x01080203u, _bench.Config.Read32(8));
        Assert.Equal(0x40, _bench.Config.Read8(0x34));
        Assert.Equal(0x0010, _bench.Config.Read16(6));
    }

    [Fact]
    public void Capabilities_List_WholeAndAligned()
        => Assert.Equal([(PciCapabilityId.MsiX, 0x40), (PciCapabilityId.Msi, 0x4c)], _bench.Config.Capabilities());

    [Fact]
    public void CapabilityHeader_Written_KeepsIdAndLink()
    {
        _bench.Config.Write16(0x40, 0xffff);
        _bench.Config.Write32(0x4c, 0xffff);
        Assert.Equal([(PciCapabilityId.MsiX, 0x40), (PciCapabilityId.Msi, 0x4c)], _bench.Config.Capabilities());
    }

    [Fact]
    public void SecondFunction_Added_MarksTheDeviceMultiFunction()
    {
        Assert.Equal(0, _bench.Config.Read8(0x0e));
        _bench.Bus.Add(new PciFunction("second", new PciIdentity { VendorId = 1, DeviceId = 2, ClassCode = 0 }), 3, 1);
        Assert.Equal(0x80, _bench.Config.Read8(0x0e));
        Assert.Equal(0x00020001u, new PciDriver(_bench.Guest, 3, 1).Read32(0));
    }

    [Fact]
    public void Add_TakenOrImpossiblePlace_Throws()
    {
        PciFunction other = new("other", new PciIdentity { VendorId = 1, DeviceId = 2, ClassCode = 0 });
        Assert.Contains("00:03.0", Assert.Throws<ArgumentException>(() => _bench.Bus.Add(other, 3)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => _bench.Bus.Add(other, 32));
    }
}
