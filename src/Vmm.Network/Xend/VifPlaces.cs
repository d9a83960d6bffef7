using Vmm.Host;
using Vmm.Network.Netlink;

namespace Vmm.Network.Xend;

/// <summary>Finds where a guest's interface belongs.</summary>
internal static class VifPlaces
{
    private const string XenBridge = "xenbr";

    public static VifPlace Find(VifSpec spec, RouteNetlink host, NetworkStore networks)
    {
        if (spec.Script is not null && HookScript.Find(spec.Script) is { } script) return new VifPlace(spec.Bridge ?? BridgeOf(NetworkKind.Bridge, networks), script);
        switch (Path.GetFileName(spec.Script))
        {
            case null when spec.Bridge is null:
                return Default(host, networks);
            case null or VifPlace.BridgeScript:
                return new VifPlace(Check(spec.Bridge ?? BridgeOf(NetworkKind.Bridge, networks) ?? NetworkPlan.DefaultBridge, host), null);
            case VifPlace.RouteScript:
                return new VifPlace(null, null);
            case VifPlace.NatScript:
                return new VifPlace(Check(spec.Bridge ?? BridgeOf(NetworkKind.Nat, networks) ?? NetworkPlan.DefaultNatBridge, host), null);
            default:
                throw new LinuxException($"there is no script {spec.Script} in {HookScript.Folder}; without any, {VifPlace.BridgeScript}, {VifPlace.RouteScript} and {VifPlace.NatScript} are known");
        }
    }

    public static bool HasDefault(RouteNetlink host, NetworkStore networks) => host.FindLink(NetworkPlan.DefaultBridge) is { Kind: "bridge" } || Started(networks).Any();

    private static VifPlace Default(RouteNetlink host, NetworkStore networks)
    {
        if (host.FindLink(NetworkPlan.DefaultBridge) is { Kind: "bridge" }) return new VifPlace(NetworkPlan.DefaultBridge, null);
        NetworkPlan[] started = [.. Started(networks)];
        return started switch
        {
            [{ Kind: NetworkKind.Route }] => new VifPlace(null, null),
            [{ } plan] => new VifPlace(Check(plan.BridgeName, host), null),
            [] => throw new LinuxException("no network for guests is there: 'vmm network start' makes one, or name a bridge with bridge="),
            _ => throw new LinuxException($"several networks for guests are there ({string.Join(", ", started.Select(p => p.Title))}): name one with bridge= or script="),
        };
    }

    private static string Check(string name, RouteNetlink host)
    {
        // As vif-bridge does: files of xend 3 name xenbr0 where xend 4 has the bridge eth0.
        string older = name.StartsWith(XenBridge, StringComparison.Ordinal) ? $"eth{name[XenBridge.Length..]}" : name;
        foreach (string candidate in (ReadOnlySpan<string>)[name, older])
        {
            if (host.FindLink(candidate) is not { } link) continue;
            if (link.Kind == "bridge") return candidate;
            if (candidate == name) throw new LinuxException($"{name} is no bridge");
        }

        throw new LinuxException($"there is no bridge {name}: 'vmm network start' makes one");
    }

    private static string? BridgeOf(NetworkKind kind, NetworkStore networks) => Started(networks).FirstOrDefault(p => p.Kind == kind)?.BridgeName;

    private static IEnumerable<NetworkPlan> Started(NetworkStore networks)
    {
        string here = NetworkStore.CurrentNamespace;
        return networks.List().Where(j => j.Namespace == here && j.State == JournalState.Started).Select(j => j.Plan);
    }
}
