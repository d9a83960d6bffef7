using Vmm.Host;
using Vmm.Host.Net;

namespace Vmm.Network.Xend;

/// <summary>A network as the administrator wants it.</summary>
public sealed record NetworkPlan
{
    /// <summary>Where guests are joined when nothing else is said (xl's default).</summary>
    public const string DefaultBridge = "xenbr0";

    /// <summary>The bridge of guests behind the host's address.</summary>
    public const string DefaultNatBridge = "virbr0";

    /// <summary>Addresses of guests behind the host's address.</summary>
    public const string DefaultNetwork = "192.168.122.0/24";

    private const int ShortestPrefix = 8, LongestPrefix = 29, MostVethNumber = 99;

    /// <summary>Which of them.</summary>
    public NetworkKind Kind { get; init; }

    /// <summary>The bridge; null for the usual name.</summary>
    public string? Bridge { get; init; }

    /// <summary>The network card; null for that of the default route. With NAT: the only way out, null for any.</summary>
    public string? Device { get; init; }

    /// <summary>The host keeps its card's name on one end of a veth pair, vif0.N, whose other end is in the bridge (xend before 4.0).</summary>
    public bool HasVeth { get; init; }

    /// <summary>N of vif0.N.</summary>
    public int VethNumber { get; init; }

    /// <summary>The guests' addresses (NAT); the first is the host's.</summary>
    public string Network { get; init; } = DefaultNetwork;

    /// <summary>Guests get their addresses by DHCP, and names from the host (NAT).</summary>
    public bool HasServer { get; init; } = true;

    /// <summary>The guests' domain, told by DHCP (NAT).</summary>
    public string? Domain { get; init; }

    /// <summary>The bridge's name; of a routed network there is none.</summary>
    public string BridgeName => Bridge ?? (Kind == NetworkKind.Nat ? DefaultNatBridge : DefaultBridge);

    /// <summary>What tells it from others that are started: "bridge-xenbr0", "nat-virbr0", "route-eth0".</summary>
    public string Name => Kind switch
    {
        NetworkKind.Bridge => $"bridge-{BridgeName}",
        NetworkKind.Nat => $"nat-{BridgeName}",
        _ => $"route-{Device}",
    };

    /// <summary>For people: "bridge xenbr0".</summary>
    public string Title => Kind == NetworkKind.Route ? $"route {Device}" : $"{KindName} {BridgeName}";

    /// <summary>"bridge", "route" or "nat".</summary>
    public string KindName => Kind switch { NetworkKind.Bridge => "bridge", NetworkKind.Route => "route", _ => "nat" };

    /// <summary>The guests' addresses, read.</summary>
    internal Ipv4Network Addresses => Ipv4Network.TryParse(Network, out Ipv4Network network) ? network : throw new LinuxException($"'{Network}' is no network; {DefaultNetwork} would be");

    /// <summary>The host's among them.</summary>
    internal Ipv4Address HostAddress => new(Addresses.Address.Value + 1);

    /// <summary>Finds what is wrong with it.</summary>
    /// <exception cref="LinuxException">What it is, in one line.</exception>
    public void Check()
    {
        if (Kind != NetworkKind.Route) CheckName(BridgeName);
        if (Device is not null) CheckName(Device);
        if (VethNumber is < 0 or > MostVethNumber) throw new LinuxException($"vif0.{VethNumber}: the number is not from 0 to {MostVethNumber}");
        if (Kind != NetworkKind.Nat) return;
        if (Addresses.PrefixLength is < ShortestPrefix or > LongestPrefix || Addresses.Address.IsNoHost)
            throw new LinuxException($"{Network} is no network for guests; {DefaultNetwork} would be ({ShortestPrefix} to {LongestPrefix} bits)");
    }

    private static void CheckName(string name)
    {
        // Words of nft's language need quotes, and these have none.
        bool isGood = name.Length is > 0 and <= TapQueue.MostNameBytes && name is not "." and not ".." && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '@');
        if (!isGood) throw new LinuxException($"'{name}' is no name for an interface here: 1 to {TapQueue.MostNameBytes} letters, digits, '-', '_', '.' and '@'");
    }
}
