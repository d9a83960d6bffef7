using Vmm.Network.User;

namespace Vmm.Network.Tests.User;

public class OptionTests
{
    [Theory]
    [InlineData("10.0.2.15", true)]
    [InlineData("255.255.255.255", true)]
    [InlineData("0.0.0.0", true)]
    [InlineData("10.0.2", false)]
    [InlineData("10.0.2.256", false)]
    [InlineData("10.0.2.015", false)]
    [InlineData("10.0.2.15.1", false)]
    [InlineData("10.0.2. 5", false)]
    [InlineData("0x0a.0.2.1", false)]
    [InlineData("", false)]
    public void Address_Text_StrictlyFourNumbers(string text, bool isGood)
    {
        Assert.Equal(isGood, Ipv4Address.TryParse(text, out Ipv4Address address));
        if (isGood) Assert.Equal(text, address.ToString());
    }

    [Theory]
    [InlineData("10.0.2.0/24", true)]
    [InlineData("192.168.0.0/16", true)]
    [InlineData("10.0.2.1/24", false)]
    [InlineData("10.0.2.0", false)]
    [InlineData("10.0.2.0/33", false)]
    [InlineData("10.0.2.0/-1", false)]
    public void Network_Text_AddressAndBits(string text, bool isGood)
    {
        Assert.Equal(isGood, Ipv4Network.TryParse(text, out Ipv4Network network));
        if (isGood) Assert.Equal(text, network.ToString());
    }

    [Theory]
    [InlineData("tcp:127.0.0.1:2222-:22")]
    [InlineData("udp:0.0.0.0:53-10.0.2.20:5353")]
    public void Forward_Text_ThereAndBack(string text)
    {
        Assert.True(PortForward.TryParse(text, out PortForward? forward, out _));
        Assert.Equal(text, forward!.ToString());
    }

    [Theory]
    [InlineData("tcp:127.0.0.1:2222", "is no forward")]
    [InlineData("sctp::1-:2", "neither tcp nor udp")]
    [InlineData("tcp::0-:22", "'0' is no port")]
    [InlineData("tcp::70000-:22", "'70000' is no port")]
    [InlineData("tcp:localhost:1-:2", "'localhost' is no IP address")]
    [InlineData("tcp::1-:2-:3", "is no forward")]
    public void Forward_BadText_SaysWhy(string text, string why)
    {
        Assert.False(PortForward.TryParse(text, out _, out string said));
        Assert.Contains(why, said, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_Defaults_AreSlirps()
    {
        UserNetOptions options = new();
        Assert.Empty(options.Check());
        Assert.Equal("10.0.2.2 10.0.2.3 10.0.2.15", $"{options.HostAddress} {options.DnsAddress} {options.DhcpAddress}");
        Assert.Empty((options with { Network = new(new(0xc0a80000), 29) }).Check());
    }

    [Theory]
    [InlineData("net", "10.0.2.0/30", null, null, null)]
    [InlineData("net", "127.0.0.0/8", null, null, null)]
    [InlineData("host", "10.0.2.0/24", "10.0.3.1", null, null)]
    [InlineData("dns", "10.0.2.0/24", null, "10.0.2.2", null)]
    [InlineData("dhcpstart", "10.0.2.0/24", null, null, "10.0.2.255")]
    [InlineData("dhcpstart", "10.0.2.0/24", "10.0.2.15", null, null)]
    public void Options_Contradiction_NamesTheKey(string key, string network, string? host, string? dns, string? dhcp)
    {
        Assert.True(Ipv4Network.TryParse(network, out Ipv4Network parsed));
        UserNetOptions options = new() { Network = parsed, Host = Parse(host), Dns = Parse(dns), DhcpStart = Parse(dhcp) };
        Assert.Contains(options.Check(), e => e.Key == key);
    }

    [Fact]
    public void Options_Forwards_Checked()
    {
        PortForward forward = new(false, default, 80, null, 80);
        Assert.Contains((new UserNetOptions { Forwards = [forward, forward] }).Check(), e => e.Key == "hostfwd");
        Assert.Contains((new UserNetOptions { Forwards = [forward with { GuestAddress = new Ipv4Address(0x01020304) }] }).Check(), e => e.Key == "hostfwd");
        Assert.Empty((new UserNetOptions { Forwards = [forward, forward with { IsUdp = true }] }).Check());
        Assert.Contains((new UserNetOptions { HostName = "a b" }).Check(), e => e.Key == "hostname");
        Assert.Contains((new UserNetOptions { Mtu = 100 }).Check(), e => e.Key == "mtu");
    }

    private static Ipv4Address? Parse(string? text) => text is null ? null : Ipv4Address.TryParse(text, out Ipv4Address address) ? address : null;
}
