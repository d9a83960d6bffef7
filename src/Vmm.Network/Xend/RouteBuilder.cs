namespace Vmm.Network.Xend;

/// <summary>Makes the host a router that answers ARP for its guests, as network-route of xend did.</summary>
internal static class RouteBuilder
{
    public static void Build(NetworkTransaction transaction)
    {
        string proxy = $"ipv4/conf/{transaction.Plan.Device}/proxy_arp";
        Forward(transaction);
        transaction.Do($"answer ARP for guests on {transaction.Plan.Device}", SysctlStep.Of(proxy), () => Sysctl.Write(proxy, "1"));
    }

    /// <summary>Switches forwarding of IPv4 on.</summary>
    public static void Forward(NetworkTransaction transaction)
        => transaction.Do("switch forwarding on", SysctlStep.Of(Sysctl.ForwardingNames()), () => Sysctl.WriteIfThere(Sysctl.Forwarding, "1"));
}
