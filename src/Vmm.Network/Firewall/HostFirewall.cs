using Vmm.Core.Backends;
using Vmm.Host;

namespace Vmm.Network.Firewall;

/// <summary>
/// The rules of networks and guests, for the program that the host has: nft before iptables. Every network and every guest interface has a table
/// (with iptables: chains) of its own, so that what others have set is never touched, and all goes away in one step.
/// </summary>
public abstract class HostFirewall
{
    /// <summary>Begins the names of tables and chains.</summary>
    internal const string Prefix = "vmm-";

    /// <summary>The one that this host has.</summary>
    /// <exception cref="LinuxException">It has none.</exception>
    public static HostFirewall Find()
        => HostProgram.Find("nft") is not null ? new NftFirewall()
            : HostProgram.Find("iptables") is not null ? new IptablesFirewall()
            : throw new LinuxException("neither nft nor iptables is there, and one of them has to set the rules: install the package nftables (or iptables)");

    /// <summary>The program's name.</summary>
    public abstract string Program { get; }

    /// <summary>A network of guests behind the host's own addresses. Connections begin with the guests; nothing else comes in.</summary>
    /// <param name="bridge">Its bridge.</param>
    /// <param name="network">Its addresses.</param>
    /// <param name="outside">The only interface to the outside; null for any.</param>
    public abstract FirewallRules Masquerade(string bridge, Ipv4Network network, string? outside);

    /// <summary>A guest may use its own addresses alone.</summary>
    /// <param name="link">The guest's interface.</param>
    /// <param name="bridge">The bridge that it is in; null where it is routed to.</param>
    /// <param name="mac">The guest's Ethernet address.</param>
    /// <param name="addresses">Its addresses, "10.0.0.5" or "10.0.0.0/29"; not empty.</param>
    public abstract FirewallRules Guard(string link, string? bridge, MacAddress mac, IReadOnlyList<string> addresses);

    /// <summary>Lets what a guest sends and receives pass where the host forwards nothing by itself, as on hosts with containers. Null where nothing is in the way.</summary>
    /// <param name="link">The guest's interface, or the bridge of a network.</param>
    /// <param name="isBridged">It is a port of a bridge, and not routed to.</param>
    public static FirewallRules? Passage(string link, bool isBridged)
    {
        if (isBridged && !BridgesAreFiltered) return null;
        return InFront("FORWARD", isBridged
            ? [$"-m physdev --physdev-is-bridged --physdev-in {link} -j ACCEPT", $"-m physdev --physdev-is-bridged --physdev-out {link} -j ACCEPT"]
            : [$"-i {link} -j ACCEPT", $"-o {link} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"]);
    }

    /// <summary>Lets guests reach the host's server for DHCP and names where the host lets nobody in by itself. Null where nothing is in the way.</summary>
    /// <param name="bridge">The network's bridge.</param>
    public static FirewallRules? Entrance(string bridge)
        => InFront("INPUT", [$"-i {bridge} -p udp --dport 67 -j ACCEPT", $"-i {bridge} -p udp --dport 53 -j ACCEPT", $"-i {bridge} -p tcp --dport 53 -j ACCEPT"]);

    // Only the program that made such rules can let something past them: an accept in another table of nft does not end the matter.
    private static FirewallRules? InFront(string chain, string[] rules)
    {
        if (HostProgram.Find("iptables") is not { } iptables) return null;
        HostProgramResult list = new HostProgram(iptables, ["-w", "-S", chain]).Run();
        string[] lines = list.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        if (!list.IsGood || lines is [] || (lines.Length == 1 && lines[0] == $"-P {chain} ACCEPT")) return null;
        return new FirewallRules(
            new FirewallChange { Program = "iptables", Commands = [.. rules.Select(rule => $"-I {chain} {rule}")] },
            new FirewallChange { Program = "iptables", Commands = [.. rules.Select(rule => $"-D {chain} {rule}")] });
    }

    /// <summary>Whether iptables sees what bridges forward (br_netfilter).</summary>
    internal static bool BridgesAreFiltered
    {
        get
        {
            try
            {
                return File.ReadAllText("/proc/sys/net/bridge/bridge-nf-call-iptables").Trim() == "1";
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return false;
            }
        }
    }

    /// <summary>The addresses of one family.</summary>
    internal static string[] OfFamily(IReadOnlyList<string> addresses, bool isV6) => [.. addresses.Where(a => a.Contains(':', StringComparison.Ordinal) == isV6)];
}
