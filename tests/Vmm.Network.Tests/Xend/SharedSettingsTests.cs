using Vmm.Network.Xend;
using Vmm.TestKit;

namespace Vmm.Network.Tests.Xend;

public sealed class SharedSettingsTests : IDisposable
{
    private static readonly NetworkPlan s_route = new() { Kind = NetworkKind.Route }, s_nat = new() { Kind = NetworkKind.Nat, HasServer = false };

    private readonly TestStore _test = new();

    public void Dispose() => _test.Dispose();

    [PrivateNetworkTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void Stop_AnotherNetworkForwards_ForwardingStaysUntilTheLast(bool firstGoesFirst) => PrivateNetwork.Run(() =>
    {
        TestHost.Make();
        string before = TestHost.Picture();
        _test.Networks.Start(s_route);
        _test.Networks.Start(s_nat);
        _test.Networks.Stop(firstGoesFirst ? NetworkKind.Route : NetworkKind.Nat, null);
        Assert.Equal("1\n", File.ReadAllText("/proc/sys/net/ipv4/ip_forward"));
        Assert.True(Assert.Single(_test.Networks.Status()).IsWhole);
        _test.Networks.Stop(firstGoesFirst ? NetworkKind.Nat : NetworkKind.Route, null);
        Assert.Equal(before, TestHost.Picture());
    });

    [PrivateNetworkFact]
    public void Start_TwiceInAnotherWay_SaysSo() => PrivateNetwork.Run(() =>
    {
        TestHost.Make();
        _test.Networks.Start(s_nat);
        Assert.Contains("in another way", Assert.Throws<Vmm.Host.LinuxException>(() => _test.Networks.Start(s_nat with { Network = "10.99.0.0/24" })).Message, StringComparison.Ordinal);
        Assert.Contains("in use", Assert.Throws<Vmm.Host.LinuxException>(() => _test.Networks.Start(s_nat with { Bridge = "virbr1", Network = "10.77.0.0/28" })).Message, StringComparison.Ordinal);
        Assert.Contains("no network for guests", Assert.Throws<Vmm.Host.LinuxException>(() => _test.Networks.Start(s_nat with { Network = "10.77.0.0/30" })).Message, StringComparison.Ordinal);
        Assert.Single(_test.Networks.Status());
        _test.Networks.Stop(NetworkKind.Nat, null);
    });

    [PrivateNetworkFact]
    public void Stop_AddressesChangedMeanwhile_TheNewOnesStay() => PrivateNetwork.Run(() =>
    {
        TestHost.Make();
        _test.Networks.Start(new NetworkPlan());
        TestHost.Run("ip addr add 10.1.0.40/24 dev xenbr0");
        TestHost.Run("ip addr del 10.1.0.3/24 dev xenbr0");
        TestHost.Run("ip route add 10.44.0.0/16 via 10.1.0.1");
        _test.Networks.Stop(NetworkKind.Bridge, null);
        string addresses = TestHost.Run("ip addr show dev eth0");
        Assert.Contains("10.1.0.40/24", addresses, StringComparison.Ordinal);
        Assert.DoesNotContain("10.1.0.3/24", addresses, StringComparison.Ordinal);
        Assert.Contains("10.44.0.0/16 via 10.1.0.1 dev eth0", TestHost.Run("ip route"), StringComparison.Ordinal);
    });
}
