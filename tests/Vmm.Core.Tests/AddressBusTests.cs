using Vmm.Core.Bus;

namespace Vmm.Core.Tests;

public class AddressBusTests
{
    private readonly AddressBus _bus = AddressBus.Ports();
    private readonly EchoDevice _device = new();

    [Fact]
    public void Read_NobodyThere_AllOnes()
    {
        byte[] data = new byte[4];
        Assert.False(_bus.Read(0x80, data, 0));
        Assert.Equal([0xff, 0xff, 0xff, 0xff], data);
    }

    [Fact]
    public void Read_SecondRange_DeviceSeesRegionAndOffset()
    {
        _bus.Attach(0x10, 8, _device);
        _bus.Attach(0x40, 8, _device, region: 3);
        byte[] data = new byte[1];
        Assert.True(_bus.Read(0x45, data, 7));
        Assert.Equal(new BusAccess(3, 5, 7), _device.Last);
    }

    [Fact]
    public void Read_AcrossTheEndOfARange_AllOnes()
    {
        _bus.Attach(0x10, 8, _device);
        byte[] data = new byte[4];
        Assert.False(_bus.Read(0x16, data, 0));
        Assert.Equal(0xff, data[0]);
    }

    [Theory]
    [InlineData(0x17, 1)]
    [InlineData(0x08, 9)]
    [InlineData(0x08, 100)]
    [InlineData(0x20, 0)]
    [InlineData(0xffff, 2)]
    public void Attach_OverlapOrOutside_Throws(ulong start, ulong size)
    {
        _bus.Attach(0x10, 8, _device);
        Assert.Throws<ArgumentException>(() => _bus.Attach(start, size, new EchoDevice()));
    }

    [Fact]
    public void Write_DeviceRefuses_ReportedOnce()
    {
        List<string> lines = [];
        _bus.Diagnostics = lines.Add;
        _bus.Attach(0x10, 8, _device);
        for (int i = 0; i < 3; i++) Assert.False(_bus.Write(0x17, [1], 0));
        Assert.Single(lines);
    }

    [Fact]
    public void Detach_ThenRead_AllOnes()
    {
        _bus.Attach(0x10, 8, _device);
        Assert.True(_bus.Detach(0x10));
        Assert.False(_bus.Detach(0x10));
        Assert.False(_bus.Read(0x10, new byte[1], 0));
    }

    private sealed class EchoDevice : IBusDevice
    {
        public BusAccess Last { get; private set; }

        public BusResult Read(in BusAccess access, Span<byte> data)
        {
            Last = access;
            data.Clear();
            return BusResult.Ok;
        }

        public BusResult Write(in BusAccess access, ReadOnlySpan<byte> data) => access.Offset == 7 ? BusResult.NoRegister : BusResult.Ok;
    }
}
