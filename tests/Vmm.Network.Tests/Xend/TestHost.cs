using System.Text;
using System.Text.RegularExpressions;
using Vmm.Host;

namespace Vmm.Network.Tests.Xend;

/// <summary>The namespace of this thread as a host with a network card, addresses and routes of all kinds, and what it looks like.</summary>
internal static partial class TestHost
{
    private static readonly string[] Questions =
    [
        "ip -d -j link", "ip -d -j addr", "ip -d -j route show table all", "ip -d -j -6 route show table all", "ip -d -j rule", "ip -d -j -6 rule",
        "nft list ruleset", "iptables-save",
    ];

    private static readonly string[] Setup =
    [
        "ip link add eth0 address 52:54:00:aa:bb:01 type veth peer name wire0", "ip link add other0 type veth peer name other1", "ip link set other1 up", "ip link set lo up",
        "ip link set wire0 up", "ip link set other0 up", "ip link set eth0 mtu 1400 txqueuelen 77 up",
        "ip addr add 10.1.0.2/24 brd + dev eth0", "ip addr add 10.1.0.3/24 dev eth0", "ip addr add 172.16.5.1/32 scope link dev eth0 label eth0:1",
        "ip addr add 192.168.9.9/24 dev eth0 noprefixroute", "ip addr add fd01::2/64 dev eth0", "ip addr add fd01::3/64 dev eth0", "ip addr add 10.77.0.1/24 dev other0",
        "ip route add default via 10.1.0.1", "ip route add default via 10.1.0.9 metric 500 src 10.1.0.3", "ip route add 10.2.0.0/16 dev eth0 mtu 1300 proto static",
        "ip route add 10.3.0.0/16 nexthop via 10.1.0.1 weight 3 nexthop via 10.1.0.9", "ip route add 10.4.0.0/16 via 203.0.113.1 dev eth0 onlink",
        "ip route add 10.6.0.0/16 dev other0 src 10.1.0.2", "ip route add blackhole 10.5.0.0/16", "ip route add default via 10.1.0.1 table 100",
        "ip -6 route add default via fd01::1 metric 700", "ip -6 route add fd02::/64 dev eth0 metric 9", "ip -6 route add fd03::/64 nexthop via fd01::1 nexthop via fd01::9",
        "ip rule add from 10.1.0.3 lookup 100 pref 1000",
    ];

    // Not every kernel has them.
    private static readonly string[] SetupOfVlan =
        ["ip link add link eth0 name eth0.7 type vlan id 7", "ip link set eth0.7 up", "ip addr add fd07::1/64 dev eth0.7", "ip route add 10.8.0.0/16 dev eth0.7"];

    /// <summary>Makes the host.</summary>
    public static void Make()
    {
        foreach (string where in (ReadOnlySpan<string>)["all", "default"])
        {
            // So that nobody has to wait for addresses.
            foreach ((string name, string value) in new[] { ("accept_dad", "0"), ("dad_transmits", "0"), ("router_solicitations", "0") })
                if (File.Exists($"/proc/sys/net/ipv6/conf/{where}/{name}")) File.WriteAllText($"/proc/sys/net/ipv6/conf/{where}/{name}", value);
        }

        foreach (string command in Setup) Run(command);
        bool hasVlan = Try(SetupOfVlan[0]);
        if (hasVlan)
        {
            foreach (string command in SetupOfVlan[1..]) Run(command);
        }

        WaitUntil(() => !Run("ip -6 addr show tentative").Contains("inet6", StringComparison.Ordinal) && (!hasVlan || Run("ip -6 addr show dev eth0.7").Contains("fe80", StringComparison.Ordinal))
            && Run("ip -6 addr show dev eth0").Contains("fe80", StringComparison.Ordinal) && !Run("ip link show eth0").Contains("state DOWN", StringComparison.Ordinal));
        File.WriteAllText("/proc/sys/net/ipv4/conf/eth0/rp_filter", "2");
    }

    /// <summary>Everything that can be seen of it.</summary>
    public static string Picture()
    {
        StringBuilder picture = new();
        foreach (string question in Questions)
        {
            string answer = string.Join('\n', Run(question).Split('\n').Where(line => !line.StartsWith('#')));
            picture.Append("== ").Append(question).Append('\n').Append(answer.Replace("},{", "},\n{", StringComparison.Ordinal)).Append('\n');
        }

        foreach (string name in (ReadOnlySpan<string>)["ip_forward", "conf/all/accept_redirects", "conf/eth0/proxy_arp", "conf/eth0/forwarding", "conf/eth0/rp_filter", "conf/other0/forwarding"])
            picture.Append(name).Append(' ').Append(Setting("ipv4/" + name));
        // A bridge counts the time since its last cleaning.
        return Timers().Replace(picture.Append("disable_ipv6 ").Append(Setting("ipv6/conf/eth0/disable_ipv6")).ToString(), "");
    }

    private static string Setting(string name) => File.Exists("/proc/sys/net/" + name) ? File.ReadAllText("/proc/sys/net/" + name) : "not there\n";

    [GeneratedRegex("\"[a-z_]+_timer\":[0-9.]+,")]
    private static partial Regex Timers();

    /// <summary>Runs a program that must succeed.</summary>
    public static string Run(string command)
    {
        string[] words = command.Split(' ');
        HostProgramResult result = new HostProgram(HostProgram.Find(words[0])!, words[1..]).Run();
        return result.IsGood ? result.Output : throw new InvalidOperationException($"{command}: {result.Errors}");
    }

    private static bool Try(string command)
    {
        try
        {
            Run(command);
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    public static void WaitUntil(Func<bool> condition)
    {
        for (int i = 0; !condition(); i++)
        {
            if (i > 500) throw new TimeoutException("it does not come to pass");
            Thread.Sleep(10);
        }
    }
}
