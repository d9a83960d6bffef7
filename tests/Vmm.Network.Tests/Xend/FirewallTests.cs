using Vmm.Core.Backends;
using Vmm.Network.Firewall;
using Vmm.TestKit;

namespace Vmm.Network.Tests.Xend;

public sealed class FirewallTests
{
    private static readonly MacAddress s_mac = new(0x0016_3e00_0005);
    private static readonly Ipv4Network s_network = new(new(0x0a090000), 16);

    [PrivateNetworkFact]
    public void Nft_RulesTwiceAndUndoneTwice_NothingLeft() => PrivateNetwork.Run(() =>
    {
        TestHost.Run("ip link add vif1.0 type veth peer name other0");
        NftFirewall nft = new();
        foreach (FirewallRules rules in new[]
        {
            nft.Masquerade("virbr0", s_network, null), nft.Masquerade("virbr1", s_network, "eth0"),
            nft.Guard("vif1.0", "xenbr0", s_mac, ["10.0.0.1", "10.0.1.0/29", "fd00::1", "fd00:1::/60"]),
        })
        {
            rules.Apply.Apply();
            string set = TestHost.Run("nft list ruleset");
            Assert.Contains("vmm-", set, StringComparison.Ordinal);
            rules.Apply.Apply();
            Assert.Equal(set, TestHost.Run("nft list ruleset"));
            rules.Undo.TryApply();
            rules.Undo.TryApply();
            Assert.Equal("", TestHost.Run("nft list ruleset"));
        }
    });

    [PrivateNetworkFact]
    public void Iptables_RulesUndoneTwice_NothingLeft() => PrivateNetwork.Run(() =>
    {
        IptablesFirewall iptables = new();
        foreach (FirewallRules rules in new[] { iptables.Masquerade("virbr0", s_network, null), iptables.Masquerade("virbr1", s_network, "eth0"), iptables.Guard("vif1.0", null, s_mac, ["10.0.0.1", "10.0.1.0/29"]) })
        {
            rules.Apply.Apply();
            Assert.Contains("vmm-", Rules(), StringComparison.Ordinal);
            rules.Undo.TryApply();
            rules.Undo.TryApply();
            Assert.DoesNotContain("vmm-", Rules(), StringComparison.Ordinal);
        }
    });

    [PrivateNetworkFact]
    public void Passage_HostForwardsNothing_LetsTheGuestsPass() => PrivateNetwork.Run(() =>
    {
        Assert.Null(HostFirewall.Passage("virbr0", isBridged: false));
        TestHost.Run("iptables -P FORWARD DROP");
        string before = Rules();
        FirewallRules passage = HostFirewall.Passage("virbr0", isBridged: false)!;
        passage.Apply.Apply();
        Assert.Contains("-A FORWARD -i virbr0 -j ACCEPT", Rules(), StringComparison.Ordinal);
        passage.Undo.TryApply();
        passage.Undo.TryApply();
        Assert.Equal(before, Rules());
    });

    [PrivateNetworkFact]
    public void Entrance_HostLetsNobodyIn_LetsTheGuestsAsk() => PrivateNetwork.Run(() =>
    {
        Assert.Null(HostFirewall.Entrance("virbr0"));
        TestHost.Run("iptables -A INPUT -j DROP");
        string before = Rules();
        FirewallRules entrance = HostFirewall.Entrance("virbr0")!;
        entrance.Apply.Apply();
        Assert.StartsWith("-A INPUT -i virbr0 -p tcp", Rules().Split('\n').First(line => line.StartsWith("-A", StringComparison.Ordinal)), StringComparison.Ordinal);
        entrance.Undo.TryApply();
        Assert.Equal(before, Rules());
    });

    [PrivateNetworkFact]
    public void Apply_WhatTheProgramRefuses_OneLine() => PrivateNetwork.Run(() =>
    {
        Vmm.Host.LinuxException failure = Assert.Throws<Vmm.Host.LinuxException>(() => new FirewallChange { Program = "nft", Script = "add nonsense\n" }.Apply());
        Assert.Contains("nft refuses the rules", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
    });

    private static string Rules() => TestHost.Run("iptables -S") + TestHost.Run("iptables -t nat -S");
}
