using Vmm.Core.Backends;
using Vmm.Host;

namespace Vmm.Network.Firewall;

/// <summary>Rules by iptables(8), on hosts without nft.</summary>
internal sealed class IptablesFirewall : HostFirewall
{
    /// <inheritdoc/>
    public override string Program => "iptables";

    /// <inheritdoc/>
    public override FirewallRules Masquerade(string bridge, Ipv4Network network, string? outside)
    {
        string chain = Prefix + bridge;
        string way = outside is null ? $"! -o {bridge}" : $"-o {outside}";
        List<string> nat =
        [
            $"-t nat -A {chain} -s {network} -d 224.0.0.0/24 -j RETURN",
            $"-t nat -A {chain} -s {network} -d 255.255.255.255/32 -j RETURN",
            $"-t nat -A {chain} -s {network} ! -d {network} {way} -p tcp -j MASQUERADE --to-ports 1024-65535",
            $"-t nat -A {chain} -s {network} ! -d {network} {way} -p udp -j MASQUERADE --to-ports 1024-65535",
            $"-t nat -A {chain} -s {network} ! -d {network} {way} -j MASQUERADE",
        ];
        List<string> filter =
        [
            $"-A {chain} -i {bridge} -o {bridge} -j ACCEPT",
            $"-A {chain} -o {bridge} -d {network} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            $"-A {chain} -i {bridge} -s {network} {way} -j ACCEPT",
            $"-A {chain} -i {bridge} -j REJECT --reject-with icmp-admin-prohibited",
            $"-A {chain} -o {bridge} -j REJECT --reject-with icmp-admin-prohibited",
        ];
        return new FirewallRules(
            Calls([$"-t nat -N {chain}", .. nat, $"-t nat -A POSTROUTING -j {chain}", $"-N {chain}", .. filter, $"-I FORWARD -j {chain}"]),
            Calls([$"-t nat -D POSTROUTING -j {chain}", $"-t nat -F {chain}", $"-t nat -X {chain}", $"-D FORWARD -j {chain}", $"-F {chain}", $"-X {chain}"]));
    }

    /// <inheritdoc/>
    public override FirewallRules Guard(string link, string? bridge, MacAddress mac, IReadOnlyList<string> addresses)
    {
        if (bridge is not null && !BridgesAreFiltered)
            throw new LinuxException($"{link}: ip= on a bridge needs nft (package nftables), or iptables with the module br_netfilter (modprobe br_netfilter)");
        if (OfFamily(addresses, isV6: true).Length != 0) throw new LinuxException($"{link}: addresses of IPv6 in ip= need nft (package nftables)");
        string chain = Prefix + link;
        string from = bridge is null ? $"-i {link}" : $"-m physdev --physdev-in {link}";
        List<string> rules = [$"-A {chain} -m mac ! --mac-source {mac} -j DROP"];
        rules.AddRange(addresses.Select(address => $"-A {chain} -s {address} -j RETURN"));
        rules.Add($"-A {chain} -s 0.0.0.0 -p udp --sport 68 --dport 67 -j RETURN");
        rules.Add($"-A {chain} -j DROP");
        return new FirewallRules(
            Calls([$"-N {chain}", .. rules, $"-I FORWARD {from} -j {chain}", $"-I INPUT {from} -j {chain}"]),
            Calls([$"-D FORWARD {from} -j {chain}", $"-D INPUT {from} -j {chain}", $"-F {chain}", $"-X {chain}"]));
    }

    private static FirewallChange Calls(IEnumerable<string> commands) => new() { Program = "iptables", Commands = [.. commands] };
}
