using Vmm.Machine.Config;
using Vmm.Network.User;

namespace Vmm.Machine.Tests.Config;

public class UserLinkConfigTests
{
    [Fact]
    public void Parse_AllKeys_ReachTheNetwork()
    {
        List<ConfigError> errors = [];
        NetConfig net = NetConfig.Parse(0, "user,net=192.168.9.0/24,host=192.168.9.1,dns=192.168.9.4,dhcpstart=192.168.9.100,ipv6=off,hostname=box,domain=example.org,"
            + "restrict=on,loopback=off,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=udp::53-192.168.9.101:53,mtu=1400,queues=2,offload=off", errors);
        net.Check("net[0]", errors);
        Assert.Empty(errors);
        UserNetOptions options = Assert.IsType<UserLinkConfig>(net.Link).ToOptions(net);
        Assert.Equal("192.168.9.0/24 192.168.9.1 192.168.9.4 192.168.9.100", $"{options.Network} {options.HostAddress} {options.DnsAddress} {options.DhcpAddress}");
        Assert.Equal(("box", "example.org", true, false), (options.HostName, options.Domain, options.IsRestricted, options.ReachesLoopback));
        Assert.Equal(["tcp:127.0.0.1:2222-:22", "udp:0.0.0.0:53-192.168.9.101:53"], options.Forwards.Select(f => f.ToString()));
        Assert.Equal((1400, 2, false, false), (options.Mtu, options.Queues, options.HasOffloads, options.HasIPv6));
    }

    [Fact]
    public void Parse_Nothing_IsSlirpsNetwork()
    {
        List<ConfigError> errors = [];
        NetConfig net = NetConfig.Parse(0, "user", errors);
        net.Check("net[0]", errors);
        Assert.Empty(errors);
        UserNetOptions options = ((UserLinkConfig)net.Link).ToOptions(net);
        Assert.Equal(("10.0.2.15", true, 1500, 1), (options.DhcpAddress.ToString(), options.HasOffloads, options.Mtu, options.Queues));
    }

    [Theory]
    [InlineData("user", true)]
    [InlineData("user,ipv6=on", true)]
    [InlineData("user,ipv6=off", false)]
    [InlineData("user,mtu=1000", false)]
    public void Parse_IPv6_IsThereUnlessTheMtuOrTheUserForbids(string text, bool expected)
    {
        List<ConfigError> errors = [];
        NetConfig net = NetConfig.Parse(0, text, errors);
        net.Check("net[0]", errors);
        Assert.Empty(errors);
        Assert.Equal(expected, ((UserLinkConfig)net.Link).ToOptions(net).HasIPv6);
    }

    [Theory]
    [InlineData("net=10.0.2.0", "net[0].net")]
    [InlineData("ipv6=on,mtu=1000", "net[0].ipv6")]
    [InlineData("ipv6=perhaps", "net[0].ipv6")]
    [InlineData("ipv6=off,hostfwd=tcp::80-[fd00::15]:80", "net[0].hostfwd")]
    [InlineData("hostfwd=tcp::80-[fd00::2]:80", "net[0].hostfwd")]
    [InlineData("hostfwd=tcp::80-[fd01::15]:80", "net[0].hostfwd")]
    [InlineData("hostfwd=tcp:::1:80-:80", "net[0].hostfwd")]
    [InlineData("host=gateway", "net[0].host")]
    [InlineData("dns=10.0.3.3", "net[0].dns")]
    [InlineData("dhcpstart=10.0.2.2", "net[0].dhcpstart")]
    [InlineData("hostname=a b", "net[0].hostname")]
    [InlineData("hostfwd=tcp:1-2", "net[0].hostfwd")]
    [InlineData("hostfwd=tcp::80-:80,hostfwd=tcp::80-:81", "net[0].hostfwd")]
    [InlineData("mtu=500", "net[0].mtu")]
    [InlineData("queues=9", "net[0].queues")]
    [InlineData("restrict=maybe", "net[0].restrict")]
    [InlineData("ifname=tap0", "net[0]")]
    public void Parse_Mistake_NamesTheKey(string text, string path)
    {
        List<ConfigError> errors = [];
        NetConfig.Parse(0, $"user,{text}", errors).Check("net[0]", errors);
        Assert.Contains(errors, e => e.Path == path);
    }
}
