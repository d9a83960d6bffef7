using Vmm.Control.Xl;

namespace Vmm.Control.Tests.Xl;

public class XlVifParserTests
{
    [Fact]
    public void Parse_EmptyEntry_HasAllDefaults() => Assert.Equal(new XlVifSpec(), XlVifParser.Parse("", out _));

    [Fact]
    public void Parse_EveryKey_IsKept()
    {
        XlVifSpec? spec = XlVifParser.Parse("mac=00:16:3E:01:02:03, bridge=br1,model=e1000,type=ioemu,vifname=web,script=vif-route,ip=10.0.0.1 10.0.0.2,"
            + "gatewaydev=eth0,rate=1MB/s@20ms,mtu=9000,devid=3,vlan=10p/100,backend=0,trusted", out string? error);

        Assert.Null(error);
        Assert.NotNull(spec);
        Assert.Equal(["10.0.0.1", "10.0.0.2"], spec.Addresses.AsEnumerable());
        Assert.Equal(new XlVifSpec
        {
            Mac = "00:16:3e:01:02:03",
            Bridge = "br1",
            Model = "e1000",
            Type = "ioemu",
            InterfaceName = "web",
            Script = "vif-route",
            Addresses = spec.Addresses,
            GatewayDevice = "eth0",
            Rate = new XlRate(20_000, 20_000),
            Mtu = 9000,
            DeviceId = 3,
            Vlan = "10p/100",
            Backend = "0",
        }, spec);
    }

    [Theory]
    [InlineData("mac=00:16:3e:01:02", "is no address of a NIC")]
    [InlineData("mac=01:16:3e:01:02:03", "is no address of a NIC")]
    [InlineData("mak=00:16:3e:01:02:03", "did you mean 'mac'?")]
    [InlineData("bridge", "'bridge' is no key=value")]
    [InlineData("bridge=a,bridge=b", "more than once")]
    [InlineData("type=pv", "type 'pv'")]
    [InlineData("vifname=a-name-too-long", "is no interface name")]
    [InlineData("vifname=../x", "is no interface name")]
    [InlineData("ip=10.0.0.256", "is no IP address")]
    [InlineData("ip=10", "is no IP address")]
    [InlineData("rate=fast", "is no rate")]
    [InlineData("rate=0MB/s", "is no rate")]
    [InlineData("rate=99999999999GB/s", "is no rate")]
    [InlineData("rate=1MB/s@0s", "is no rate")]
    [InlineData("mtu=67", "mtu '67' is not a number from 68 to 65535")]
    [InlineData("devid=100", "devid '100'")]
    public void Parse_BadEntry_SaysWhatIsWrong(string text, string expected)
    {
        Assert.Null(XlVifParser.Parse(text, out string? error));
        Assert.Contains(expected, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("10Mb/s", 1_250_000)]
    [InlineData("1GB/s", 1_000_000_000)]
    [InlineData("64Kb/s", 8_000)]
    [InlineData("1MB/s@1s", 1_000_000)]
    public void Rate_EveryUnit_IsBytesPerSecond(string text, ulong expected)
    {
        Assert.True(XlRate.TryParse(text, out XlRate rate));
        Assert.Equal(expected, rate.BytesPerSecond);
    }
}
