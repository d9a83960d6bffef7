using System.Net;
using System.Security.Cryptography;
using Vmm.Core.Backends;
using Vmm.Host;
using Vmm.Network.Firewall;
using Vmm.Network.Netlink;

namespace Vmm.Network.Xend;

/// <summary>Makes a bridge for guests behind the host's address, with rules that masquerade and a server for DHCP and names.</summary>
/// <param name="transaction">What it is done in.</param>
/// <param name="program">The executable whose verb "network serve" is the server.</param>
internal sealed class NatBuilder(NetworkTransaction transaction, string program)
{
    private const ulong LocalPrefix = 0x525400UL << 24;
    private const int RandomMacs = 1 << 24, Mtu = 1500;

    private NetworkPlan Plan => transaction.Plan;

    public void Build()
    {
        string bridge = Plan.BridgeName;
        HostFirewall firewall = HostFirewall.Find();
        Check();
        MacAddress mac = new(LocalPrefix | (uint)RandomNumberGenerator.GetInt32(RandomMacs));
        transaction.Do($"make the bridge {bridge}", new DeleteLinkStep(bridge, "bridge"), () => transaction.Host.CreateBridge(bridge, mac, Mtu));
        transaction.Do($"give {bridge} the address {Plan.HostAddress}", () => SetUp(bridge));
        RouteBuilder.Forward(transaction);
        Set($"rules for {bridge} ({firewall.Program})", firewall.Masquerade(bridge, Plan.Addresses, Plan.Device));
        if (HostFirewall.Passage(bridge, isBridged: false) is { } passage) Set($"let {bridge} pass the host's own rules", passage);
        if (!Plan.HasServer) return;
        if (HostFirewall.Entrance(bridge) is { } entrance) Set($"let guests of {bridge} in to the server", entrance);
        ServerProcess server = new(transaction.Store.Folder, bridge);
        transaction.Do("start the server for DHCP and names", new ServerStep(bridge), () => server.Start(program, Plan));
    }

    private void Set(string what, FirewallRules rules) => transaction.Do($"set {what}", new FirewallStep(rules.Undo), rules.Apply.Apply);

    private void SetUp(string bridge)
    {
        // Guests get no IPv6 addresses here, and the host needs none.
        Sysctl.WriteIfThere($"ipv6/conf/{bridge}/disable_ipv6", "1");
        LinkInfo link = transaction.Host.FindLink(bridge)!;
        transaction.Host.AddAddress(new AddressInfo(link.Index, IPAddress.Parse(Plan.HostAddress.ToString()), Plan.Addresses.PrefixLength));
        transaction.Host.ChangeLink(link, new LinkChange { IsUp = true });
    }

    private void Check()
    {
        RouteNetlink host = transaction.Host;
        if (host.FindLink(Plan.BridgeName) is { } other)
            throw new LinuxException($"there is an interface {other.Name} already{(other.Kind.Length == 0 ? "" : $" ({other.Kind})")}: give the bridge another name with --bridge");
        foreach (AddressInfo address in host.Addresses())
        {
            if (!Ipv4Address.TryParse(address.Address.ToString(), out Ipv4Address theirs)) continue;
            Ipv4Network around = new(new(theirs.Value & new Ipv4Network(default, address.PrefixLength).Mask.Value), address.PrefixLength);
            if (Plan.Addresses.Contains(theirs) || around.Contains(Plan.Addresses.Address))
                throw new LinuxException($"{Plan.Network} is in use: the host has {theirs}/{address.PrefixLength}. Give the guests another network with --subnet");
        }
    }
}
