using System.Collections.Immutable;
using Vmm.Network;
using Vmm.Network.User;

namespace Vmm.Machine.Config;

/// <summary>A network of the machine's own behind this process: no privilege is needed, and nobody gets in but through its forwards.</summary>
public sealed record UserLinkConfig : NetLinkConfig
{
    private const int StandardMtu = 1500;

    /// <summary>The network, as "10.0.2.0/24"; null for that one.</summary>
    public string? Network { get; init; }

    /// <summary>The gateway's address, which is the host; null for the network's second.</summary>
    public string? Host { get; init; }

    /// <summary>The name server's address; null for the network's third.</summary>
    public string? Dns { get; init; }

    /// <summary>The first address that DHCP gives; null for the network's fifteenth.</summary>
    public string? DhcpStart { get; init; }

    /// <summary>Whether there is IPv6, too; null for where the MTU allows that.</summary>
    public bool? Ipv6 { get; init; }

    /// <summary>The name that DHCP gives; null for none.</summary>
    public string? HostName { get; init; }

    /// <summary>The domain that DHCP gives; null for none.</summary>
    public string? Domain { get; init; }

    /// <summary>The file that lists the name servers which answer for the network's own, as resolv.conf(5) has it; null for the host's.</summary>
    public string? ResolverFile { get; init; }

    /// <summary>The guest reaches nothing; only forwards lead in.</summary>
    public bool Restrict { get; init; }

    /// <summary>The gateway's address leads to the host's loopback.</summary>
    public bool Loopback { get; init; } = true;

    /// <summary>Ports of the host that lead in: "tcp:127.0.0.1:2222-:22".</summary>
    public ImmutableArray<string> Forwards { get; init; } = [];

    /// <inheritdoc/>
    internal override void Check(string path, NetConfig net, List<ConfigError> errors)
    {
        int before = errors.Count;
        UserNetOptions options = Read(net, (key, why) => errors.Add(new($"{path}.{key}", why)));
        // What follows from a value that could not be read would only confuse.
        if (errors.Count != before) return;
        if (ResolverFile is "") errors.Add(new($"{path}.resolv-file", "is empty"));
        foreach ((string key, string why) in options.Check()) errors.Add(new($"{path}.{key}", why));
    }

    /// <summary>Takes the keys of QEMU's user network, as far as they are served here.</summary>
    internal static UserLinkConfig Take(OptionText keys) => new()
    {
        Network = keys.Take("net"),
        Host = keys.Take("host"),
        Dns = keys.Take("dns"),
        DhcpStart = keys.Take("dhcpstart"),
        Ipv6 = keys.Has("ipv6") ? keys.TakeSwitch("ipv6") : null,
        HostName = keys.Take("hostname"),
        Domain = keys.Take("domain"),
        ResolverFile = keys.Take("resolv-file"),
        Restrict = keys.TakeSwitch("restrict"),
        Loopback = keys.TakeSwitch("loopback", otherwise: true),
        Forwards = [.. keys.TakeAll("hostfwd")],
    };

    /// <summary>The same for the network itself; the configuration was checked.</summary>
    internal UserNetOptions ToOptions(NetConfig net) => Read(net, (_, _) => { });

    private UserNetOptions Read(NetConfig net, Action<string, string> refuse)
    {
        UserNetOptions options = new()
        {
            Host = Address("host", Host, refuse),
            Dns = Address("dns", Dns, refuse),
            DhcpStart = Address("dhcpstart", DhcpStart, refuse),
            HasIPv6 = Ipv6 ?? (net.Mtu ?? StandardMtu) >= UserNetOptions.LeastMtuV6,
            HostName = HostName,
            Domain = Domain,
            IsRestricted = Restrict,
            ReachesLoopback = Loopback,
            Mtu = net.Mtu ?? StandardMtu,
            Queues = net.Queues,
            HasOffloads = net.Offload,
            Forwards = ReadForwards(refuse),
        };
        if (ResolverFile is not null) options = options with { ResolverFile = ResolverFile };
        if (Network is null) return options;
        if (Ipv4Network.TryParse(Network, out Ipv4Network network)) return options with { Network = network };
        refuse("net", $"'{Network}' is no network; 10.0.2.0/24 would be");
        return options;
    }

    private List<PortForward> ReadForwards(Action<string, string> refuse)
    {
        List<PortForward> forwards = [];
        foreach (string text in Forwards)
        {
            if (PortForward.TryParse(text, out PortForward? forward, out string why)) forwards.Add(forward!);
            else refuse("hostfwd", why);
        }

        return forwards;
    }

    private static Ipv4Address? Address(string key, string? text, Action<string, string> refuse)
    {
        if (text is null) return null;
        if (Ipv4Address.TryParse(text, out Ipv4Address address)) return address;
        refuse(key, $"'{text}' is no IPv4 address");
        return null;
    }
}
