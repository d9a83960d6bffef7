using Vmm.Core.Backends;
using Vmm.Host;
using Vmm.Host.Net;
using Vmm.Network.Netlink;

namespace Vmm.Network.Tap;

/// <summary>Gets a TAP device ready: opened or made, in its bridge, switched on.</summary>
public static class TapOpener
{
    private const int LeastMtu = 68;

    // As libvirt does: a bridge takes the lowest address of its ports for its own, and this one is never the lowest.
    private const ulong HighByte = 0xfe, HighByteShift = 40, LowBytes = (1UL << 40) - 1;

    /// <param name="loop">Where the descriptors are watched.</param>
    /// <param name="options">Which one.</param>
    /// <param name="report">Takes one line when the interface goes away.</param>
    /// <exception cref="LinuxException">It cannot be had: what to do stands in the message.</exception>
    public static TapBackend Open(EpollLoop loop, TapOptions options, Action<string> report)
    {
        IReadOnlyList<TapQueue> queues = OpenQueues(options, out ushort mtu);
        try
        {
            return new TapBackend(loop, queues, mtu, report);
        }
        catch
        {
            foreach (TapQueue queue in queues) queue.Dispose();
            throw;
        }
    }

    /// <summary>The queues alone, for whoever serves them.</summary>
    /// <param name="options">Which ones.</param>
    /// <param name="mtu">The interface's.</param>
    /// <exception cref="LinuxException">As for <see cref="Open"/>.</exception>
    public static IReadOnlyList<TapQueue> OpenQueues(TapOptions options, out ushort mtu)
    {
        List<TapQueue> queues = [];
        try
        {
            OpenQueues(options, queues);
            mtu = Prepare(queues[0].Name, options);
            return queues;
        }
        catch
        {
            foreach (TapQueue queue in queues) queue.Dispose();
            throw;
        }
    }

    private static void OpenQueues(TapOptions options, List<TapQueue> queues)
    {
        foreach (int fd in options.Descriptors)
        {
            queues.Add(TapQueue.Adopt(fd));
            if (queues[^1].Name != queues[0].Name) throw new LinuxException($"descriptor {fd} is of {queues[^1].Name}, the first one of {queues[0].Name}");
            if (queues.Count == 2 && !queues[0].IsMultiQueue) throw new LinuxException($"{queues[0].Name} was opened without IFF_MULTI_QUEUE and has one queue only");
        }

        if (queues.Count != 0) return;
        string name = options.Name ?? TapQueue.AnyName;
        for (int i = 0; i < options.Queues; i++)
        {
            queues.Add(TapQueue.Open(name, options.Queues > 1));
            name = queues[0].Name;
        }
    }

    /// <summary>Sets the interface up as far as that was asked for.</summary>
    /// <returns>Its MTU.</returns>
    private static ushort Prepare(string name, TapOptions options)
    {
        using RouteNetlink host = new();
        LinkInfo? link = host.FindLink(name);
        if (link is null)
        {
            // A descriptor can come from another network namespace, where there is nothing that could be done for it.
            if (!options.Descriptors.IsEmpty && options.Bridge is null) return options.Mtu ?? 0;
            throw new LinuxException($"the TAP device {name} is not in this network namespace");
        }

        LinkInfo? bridge = FindBridge(host, options.Bridge);
        int mtu = options.Mtu ?? bridge?.Mtu ?? link.Mtu;
        LinkChange change = new()
        {
            IsUp = link.IsUp || !options.Descriptors.IsEmpty ? null : true,
            Mtu = mtu == link.Mtu ? null : mtu,
            MasterIndex = bridge is null || link.MasterIndex == bridge.Index ? null : bridge.Index,
            Mac = bridge is null || link.MasterIndex == bridge.Index ? null : new MacAddress((HighByte << (int)HighByteShift) | (options.GuestMac.Value & LowBytes)),
        };
        if (change != new LinkChange()) Change(host, link, bridge, change);
        return (ushort)Math.Clamp(mtu, LeastMtu, ushort.MaxValue);
    }

    private static LinkInfo? FindBridge(RouteNetlink host, string? name)
    {
        if (name is null) return null;
        LinkInfo bridge = host.FindLink(name) ?? throw new LinuxException($"there is no bridge {name}: make it with 'ip link add {name} type bridge' and 'ip link set {name} up'");
        return bridge.Kind == "bridge" ? bridge : throw new LinuxException($"{name} is no bridge");
    }

    private static void Change(RouteNetlink host, LinkInfo link, LinkInfo? bridge, LinkChange change)
    {
        try
        {
            // The MTU first: joining with a smaller one would lower the bridge's.
            if (change.Mtu is not null || change.Mac is not null) host.ChangeLink(link, new LinkChange { Mtu = change.Mtu, Mac = change.Mac });
            if (change.IsUp is not null || change.MasterIndex is not null) host.ChangeLink(link, new LinkChange { IsUp = change.IsUp, MasterIndex = change.MasterIndex });
        }
        catch (LinuxException e)
        {
            string wish = bridge is null ? "setting it up" : $"joining it to {bridge.Name}";
            throw new LinuxException($"the TAP device {link.Name}: {wish} needs CAP_NET_ADMIN, or root does it before: {e.Message}", e);
        }
    }
}
