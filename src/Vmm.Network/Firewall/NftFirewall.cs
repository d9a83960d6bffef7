using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using Vmm.Core.Backends;

namespace Vmm.Network.Firewall;

/// <summary>Rules by nft(8).</summary>
internal sealed class NftFirewall : HostFirewall
{
    private const string LinkLocal = "fe80::/10";
    private const int AddressBits = 128;

    /// <inheritdoc/>
    public override string Program => "nft";

    /// <inheritdoc/>
    public override FirewallRules Masquerade(string bridge, Ipv4Network network, string? outside)
    {
        string way = outside is null ? $"oifname != \"{bridge}\"" : $"oifname \"{outside}\"";
        return Table("ip", bridge, $$"""
                chain postrouting {
                    type nat hook postrouting priority srcnat; policy accept;
                    ip saddr {{network}} ip daddr { 224.0.0.0/24, 255.255.255.255 } return
                    ip saddr {{network}} ip daddr != {{network}} {{way}} meta l4proto { tcp, udp } masquerade to :1024-65535
                    ip saddr {{network}} ip daddr != {{network}} {{way}} masquerade
                }
                chain forward {
                    type filter hook forward priority filter; policy accept;
                    iifname "{{bridge}}" oifname "{{bridge}}" accept
                    oifname "{{bridge}}" ip daddr {{network}} ct state established,related accept
                    iifname "{{bridge}}" ip saddr {{network}} {{way}} accept
                    iifname "{{bridge}}" reject with icmp type admin-prohibited
                    oifname "{{bridge}}" reject with icmp type admin-prohibited
                }
            """);
    }

    /// <inheritdoc/>
    public override FirewallRules Guard(string link, string? bridge, MacAddress mac, IReadOnlyList<string> addresses)
    {
        string[] v4 = OfFamily(addresses, isV6: false), v6 = OfFamily(addresses, isV6: true);
        List<string> rules = [$"ether saddr != {mac} drop"];
        if (v4.Length != 0)
        {
            string set = string.Join(", ", v4);
            // 0.0.0.0 asks whether an address is free (RFC 5227), and for one by DHCP.
            rules.Add($"ether type arp arp saddr ether {mac} arp saddr ip {{ 0.0.0.0, {set} }} accept");
            rules.Add($"ip saddr {{ {set} }} accept");
        }

        rules.Add("ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept");
        if (v6.Length != 0)
        {
            rules.Add($"ip6 saddr != {{ ::, {LinkLocal}, {string.Join(", ", v6)} }} drop");
            // What a guest says that it has: nft of today's distributions knows no name for the target of an advertisement (RFC 4861 §4.4).
            rules.AddRange(v6.Append(LinkLocal).Select(address => $"icmpv6 type nd-neighbor-advert {Target(address)} accept"));
            rules.Add("icmpv6 type nd-neighbor-advert drop");
            rules.Add("ether type ip6 accept");
        }

        rules.Add("drop");
        // Where frames come in from the guest: before the bridge, and before routing.
        return Table("netdev", link, $$"""
                chain ingress {
                    type filter hook ingress device "{{link}}" priority 0; policy accept;
                    {{string.Join("\n        ", rules)}}
                }
            """);
    }

    /// <summary>A target in a network: so many bits behind the first eight bytes of ICMPv6.</summary>
    private static string Target(string network)
    {
        string[] parts = network.Split('/');
        int bits = parts.Length == 2 ? int.Parse(parts[1], CultureInfo.InvariantCulture) : AddressBits;
        UInt128 address = BinaryPrimitives.ReadUInt128BigEndian(IPAddress.Parse(parts[0]).GetAddressBytes());
        return bits == 0 ? "" : $"@th,64,{bits} 0x{address >> (AddressBits - bits):x}";
    }

    // Made, removed and made: right whether or not something of that name was left.
    private static FirewallRules Table(string family, string name, string chains)
    {
        string table = $"{family} {Prefix}{name}";
        string remove = $"add table {table}\ndelete table {table}\n";
        return new FirewallRules(
            new FirewallChange { Program = "nft", Script = $"{remove}table {table} {{\n{chains}\n}}\n" },
            new FirewallChange { Program = "nft", Script = remove });
    }
}
