namespace Vmm.Network.User;

/// <summary>What a user-mode network is like.</summary>
public sealed record UserNetOptions
{
    private const uint HostOffset = 2;
    private const uint DnsOffset = 3;
    private const uint DhcpOffset = 15;
    private const int LongestPrefix = 29;

    /// <summary>Bits that all addresses of the network of IPv6 share.</summary>
    internal const int PrefixBitsV6 = 64;

    private const int LongestName = 63;
    private const int LongestDomain = 253;

    /// <summary>The smallest MTU that IPv4 allows a host to count on (RFC 791 §3.2).</summary>
    public const int LeastMtu = 576;

    /// <summary>The smallest MTU of IPv6 (RFC 8200 §5).</summary>
    public const int LeastMtuV6 = 1280;

    /// <summary>The longest IPv4 packet.</summary>
    public const int MostMtu = 65535;

    /// <summary>Queues at most.</summary>
    public const int MostQueues = 8;

    /// <summary>The guest's network.</summary>
    public Ipv4Network Network { get; init; } = new(new(0x0a000200), 24);

    /// <summary>The gateway, which is the host to the guest; null for the network's second address.</summary>
    public Ipv4Address? Host { get; init; }

    /// <summary>The name server; null for the network's third address.</summary>
    public Ipv4Address? Dns { get; init; }

    /// <summary>The first address that DHCP gives; null for the network's fifteenth (or its fourth where it is smaller).</summary>
    public Ipv4Address? DhcpStart { get; init; }

    /// <summary>Whether there is IPv6, too: the network fd00::/64, whose addresses the guest makes by itself.</summary>
    public bool HasIPv6 { get; init; }

    /// <summary>The guest's name, told by DHCP; null for none.</summary>
    public string? HostName { get; init; }

    /// <summary>The guest's domain, told by DHCP; null for none.</summary>
    public string? Domain { get; init; }

    /// <summary>Nothing leaves: only DHCP, and what <see cref="Forwards"/> let in.</summary>
    public bool IsRestricted { get; init; }

    /// <summary>Whether the gateway's address leads to the host's loopback.</summary>
    public bool ReachesLoopback { get; init; } = true;

    /// <summary>The longest IP packet without segmentation offload.</summary>
    public int Mtu { get; init; } = 1500;

    /// <summary>Pairs of queues.</summary>
    public int Queues { get; init; } = 1;

    /// <summary>Whether frames may be left unfinished (checksums, segmentation).</summary>
    public bool HasOffloads { get; init; } = true;

    /// <summary>Ports of the host that lead to the guest.</summary>
    public IReadOnlyList<PortForward> Forwards { get; init; } = [];

    /// <summary>Where most hosts have their name servers written.</summary>
    public const string HostResolverFile = "/etc/resolv.conf";

    /// <summary>Where the host's name servers are written.</summary>
    public string ResolverFile { get; init; } = HostResolverFile;

    /// <summary>Makes numbers that nobody should foretell the same in every run: for tests alone.</summary>
    internal int? Seed { get; init; }

    /// <summary>The gateway's address.</summary>
    public Ipv4Address HostAddress => Host ?? new(Network.Address.Value + HostOffset);

    /// <summary>The name server's address.</summary>
    public Ipv4Address DnsAddress => Dns ?? new(Network.Address.Value + DnsOffset);

    /// <summary>The first address of the guest's network of IPv6, all of whose addresses share 64 bits (RFC 4193 has them for such networks).</summary>
    public static IpAddress PrefixV6 { get; } = new((UInt128)0xfd00 << 112);

    /// <summary>The gateway in that network.</summary>
    public static IpAddress HostAddressV6 { get; } = new(PrefixV6.Value + HostOffset);

    /// <summary>The name server in that network.</summary>
    public static IpAddress DnsAddressV6 { get; } = new(PrefixV6.Value + DnsOffset);

    /// <summary>The gateway as a router: those have an address of the wire alone (RFC 4861 §6.1.2).</summary>
    public static IpAddress RouterAddress { get; } = new(((UInt128)0xfe80 << 112) + HostOffset);

    /// <summary>The first address that DHCP gives.</summary>
    public Ipv4Address DhcpAddress => DhcpStart ?? new(Network.Address.Value + (Network.PrefixLength > 27 ? DnsOffset + 1 : DhcpOffset));

    /// <summary>Whether an address is the gateway's.</summary>
    internal bool IsHost(IpAddress address) => address.IsV4 ? address.V4 == HostAddress : HasIPv6 && (address == HostAddressV6 || address == RouterAddress);

    /// <summary>Whether an address is the name server's.</summary>
    internal bool IsNameServer(IpAddress address) => address.IsV4 ? address.V4 == DnsAddress : HasIPv6 && address == DnsAddressV6;

    /// <summary>Whether an address is for this wire, and for nobody beyond it.</summary>
    internal bool IsOnWire(IpAddress address) => address.IsV4 ? Network.Contains(address.V4) : address.IsLinkLocal || address.Value >> PrefixBitsV6 == PrefixV6.Value >> PrefixBitsV6;

    /// <summary>Whether an address can be a guest's.</summary>
    internal bool IsGuest(IpAddress address)
        => (address.IsV4 ? Network.IsHost(address.V4) : HasIPv6 && IsOnWire(address) && (ulong)address.Value != 0) && !IsHost(address) && !IsNameServer(address);

    /// <summary>The gateway's address of the kind that a guest has.</summary>
    internal IpAddress HostFor(IpAddress guest) => guest.IsV4 ? HostAddress : guest.IsLinkLocal ? RouterAddress : HostAddressV6;

    /// <summary>What is wrong, by the key of the option.</summary>
    public IEnumerable<(string Key, string Why)> Check()
    {
        if (Network.PrefixLength is < 8 or > LongestPrefix || Network.Address.IsNoHost)
        {
            yield return ("net", $"{Network} is no network for guests; 10.0.2.0/24 would be (8 to {LongestPrefix} bits)");
            yield break;
        }

        foreach ((string key, Ipv4Address address) in new[] { ("host", HostAddress), ("dns", DnsAddress), ("dhcpstart", DhcpAddress) })
            if (!Network.IsHost(address)) yield return (key, $"{address} is no machine's address in {Network}");
        if (HostAddress == DnsAddress) yield return ("dns", $"{DnsAddress} is the gateway's address already");
        if (DhcpAddress == HostAddress || DhcpAddress == DnsAddress) yield return ("dhcpstart", $"{DhcpAddress} is taken by the gateway or the name server");
        if (HostName is not null && !IsName(HostName, LongestName, dots: true)) yield return ("hostname", $"'{HostName}' is no host name");
        if (Domain is not null && !IsName(Domain, LongestDomain, dots: true)) yield return ("domain", $"'{Domain}' is no domain name");
        if (Mtu is < LeastMtu or > MostMtu) yield return ("mtu", $"{Mtu} is not from {LeastMtu} to {MostMtu}");
        if (Queues is < 1 or > MostQueues) yield return ("queues", $"{Queues} is not from 1 to {MostQueues}");
        if (HasIPv6 && Mtu < LeastMtuV6) yield return ("ipv6", $"needs an MTU of {LeastMtuV6} at least, and {Mtu} is less");
        foreach ((string key, string why) in CheckForwards()) yield return (key, why);
    }

    private IEnumerable<(string Key, string Why)> CheckForwards()
    {
        HashSet<(bool, IpAddress, ushort)> seen = [];
        foreach (PortForward forward in Forwards)
        {
            if (!seen.Add((forward.IsUdp, forward.HostAddress, forward.HostPort))) yield return ("hostfwd", $"{forward}: the host's port is given twice");
            if (forward.GuestAddress is not { } guest || IsGuest(guest)) continue;
            yield return ("hostfwd", guest.IsV4 ? $"{forward}: {guest} is no guest's address in {Network}"
                : HasIPv6 ? $"{forward}: {guest} is no guest's address in {PrefixV6}/{PrefixBitsV6}" : $"{forward}: there is no IPv6 without ipv6=on");
        }
    }

    private static bool IsName(string text, int most, bool dots)
        => text.Length > 0 && text.Length <= most && text.All(c => char.IsAsciiLetterOrDigit(c) || c == '-' || (dots && c == '.'));
}
