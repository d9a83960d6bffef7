using Vmm.Network.Netlink;

namespace Vmm.Network.Xend;

/// <summary>What is there of a network.</summary>
public sealed record NetworkStatus
{
    /// <summary>The server has ended.</summary>
    public const string NoServer = "the server for DHCP and names does not run";

    /// <summary>The network.</summary>
    public required NetworkPlan Plan { get; init; }

    /// <summary>How far it has come.</summary>
    public required JournalState State { get; init; }

    /// <summary>What is missing; empty when all is there.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];

    /// <summary>The ports of its bridge.</summary>
    public IReadOnlyList<string> Ports { get; init; } = [];

    /// <summary>The host's addresses in it.</summary>
    public IReadOnlyList<string> Addresses { get; init; } = [];

    /// <summary>Whether it is as it should be.</summary>
    public bool IsWhole => State == JournalState.Started && Problems.Count == 0;

    internal static NetworkStatus Of(RouteNetlink host, NetworkStore store, NetworkJournal journal)
    {
        NetworkPlan plan = journal.Plan;
        IReadOnlyList<LinkInfo> links = host.Links();
        LinkInfo? bridge = plan.Kind == NetworkKind.Route ? null : links.FirstOrDefault(l => l.Name == plan.BridgeName && l.Kind == "bridge");
        int home = journal.HomeIndex != 0 ? journal.HomeIndex : bridge?.Index ?? links.FirstOrDefault(l => l.Name == plan.Device)?.Index ?? 0;
        return new NetworkStatus
        {
            Plan = plan,
            State = journal.State,
            Problems = [.. Missing(links, bridge, store, journal)],
            Ports = bridge is null ? [] : [.. links.Where(l => l.MasterIndex == bridge.Index).Select(l => l.Name).Order(StringComparer.Ordinal)],
            Addresses = [.. host.Addresses().Where(a => a.LinkIndex == home).Select(a => $"{a.Address}/{a.PrefixLength}")],
        };
    }

    private static IEnumerable<string> Missing(IReadOnlyList<LinkInfo> links, LinkInfo? bridge, NetworkStore store, NetworkJournal journal)
    {
        NetworkPlan plan = journal.Plan;
        if (journal.State != JournalState.Started)
            yield return $"its {(journal.State == JournalState.Starting ? "start" : "end")} broke off: 'vmm network stop {plan.KindName}' puts the host back as it was";
        if (plan.Kind != NetworkKind.Route && bridge is null) yield return $"there is no bridge {plan.BridgeName}";
        if (bridge is { IsUp: false }) yield return $"{bridge.Name} is switched off";
        if (plan.Kind == NetworkKind.Bridge && bridge is not null && !links.Any(l => l.Index == journal.DeviceIndex && l.MasterIndex == bridge.Index && l.IsUp))
            yield return $"{BridgeBuilder.PhysicalName(plan.Device!)} is not in {bridge.Name}, or switched off";
        if (plan.Kind == NetworkKind.Bridge && plan.HasVeth && !links.Any(l => l.Index == journal.HomeIndex && l.IsUp)) yield return $"{plan.Device} is gone, or switched off";
        if (plan.Kind != NetworkKind.Bridge && Sysctl.Read(Sysctl.Forwarding) != "1") yield return "the host does not forward (net.ipv4.ip_forward is 0)";
        if (plan.Kind == NetworkKind.Route && Sysctl.Read($"ipv4/conf/{plan.Device}/proxy_arp") != "1") yield return $"{plan.Device} does not answer ARP for guests (proxy_arp is 0)";
        if (plan.Kind == NetworkKind.Nat && plan.HasServer && !new ServerProcess(store.Folder, plan.BridgeName).IsAlive) yield return NoServer;
    }
}
