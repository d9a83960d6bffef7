using System.Diagnostics;
using Vmm.Host;
using Vmm.Host.Net;
using Vmm.Network.Netlink;

namespace Vmm.Network.Xend;

/// <summary>
/// Puts the host's network card into a bridge, as network-bridge of xend 4 did: the card becomes pNAME, and its addresses, routes and Ethernet address
/// go to the bridge. Or as xend 3 did: they go to one end of a veth pair, which takes the card's name, and whose other end is in the bridge.
/// </summary>
internal sealed class BridgeBuilder(NetworkTransaction transaction)
{
    // xend's name for what is not ready yet.
    private const string Unready = "tmpbridge";
    private const int CableMilliseconds = 10_000, LookMilliseconds = 20;

    private NetworkPlan Plan => transaction.Plan;

    private RouteNetlink Host => transaction.Host;

    private string VethPort => $"vif0.{Plan.VethNumber}";

    private string VethEnd => $"veth{Plan.VethNumber}";

    /// <summary>The card's name while it is in the bridge: "peth0".</summary>
    public static string PhysicalName(string device) => $"p{device}"[..Math.Min(device.Length + 1, TapQueue.MostNameBytes)];

    public void Build()
    {
        LinkInfo card = Host.FindLink(Plan.Device!)!;
        Check(card);
        NetworkSnapshot before = NetworkSnapshot.Take(Host);
        if (before.Routes.FirstOrDefault(r => r.HasNextHopObject) is { } route)
            throw new LinuxException($"the route to {route} leads to a next hop object (ip nexthop), which would be lost with {card.Name} switched off");
        transaction.Note(j => j with { Snapshot = before, DeviceIndex = card.Index });
        (int bridge, int home) = MakeLinks(card);
        MoveCard(card, bridge);
        NameHome(card, bridge, home);
        MoveAddresses(card, bridge, home, before);
        if ((card.Flags & LinkFlags.Running) != 0) transaction.Do("wait for the link", () => WaitForLink(home));
        transaction.Do("wait for the addresses", () => NetworkSnapshot.WaitForAddresses(Host, home));
    }

    private void Check(LinkInfo card)
    {
        if (card.Kind == "bridge") throw new LinuxException($"{card.Name} is a bridge already: guests can join it with bridge={card.Name}");
        if (card.HardwareType != HostLinks.Ethernet || (card.Flags & LinkFlags.Loopback) != 0) throw new LinuxException($"{card.Name} is no Ethernet card: a bridge takes nothing else");
        if (card.MasterIndex != 0)
        {
            string master = Host.Links().FirstOrDefault(l => l.Index == card.MasterIndex)?.Name ?? "another interface";
            throw new LinuxException($"{card.Name} is a part of {master} already");
        }

        string[] names = Plan.HasVeth ? [Plan.BridgeName, PhysicalName(card.Name), Unready, VethPort, VethEnd] : [Plan.BridgeName, PhysicalName(card.Name), Unready];
        foreach (string name in names)
        {
            if (name != card.Name && Host.FindLink(name) is { } other) throw new LinuxException($"there is an interface {name} already{(other.Kind.Length == 0 ? "" : $" ({other.Kind})")}, and the name is needed");
        }

        if (Plan.HasVeth && Plan.BridgeName == card.Name) throw new LinuxException($"{card.Name} is the name that the host keeps: the bridge needs another one");
    }

    /// <returns>The bridge, and the interface that becomes the host's own.</returns>
    private (int Bridge, int Home) MakeLinks(LinkInfo card)
    {
        int bridge = 0, home = 0;
        transaction.Do($"make the bridge {Plan.BridgeName}", new DeleteLinkStep(Unready, "bridge"),
            () => bridge = home = Host.CreateBridge(Unready, Plan.HasVeth ? HostLinks.PortMac : card.Mac, card.Mtu));
        if (Plan.HasVeth)
        {
            transaction.Do($"make {VethPort}", new DeleteLinkStep(VethPort, "veth"), () =>
            {
                Host.CreateVethPair(VethPort, VethEnd);
                home = Host.FindLink(VethEnd)!.Index;
                transaction.Change(home, new LinkChange { Mac = card.Mac, Mtu = card.Mtu, HasArp = card.HasArp });
                Host.ChangeLink(Host.FindLink(VethPort)!, new LinkChange { Mac = HostLinks.PortMac, Mtu = card.Mtu, HasArp = false });
            });
        }

        transaction.Note(j => j with { HomeIndex = home, HomeName = Plan.HasVeth ? card.Name : Plan.BridgeName });
        transaction.Do("copy the settings of the card", () =>
        {
            Sysctl.CopyInterface(card.Name, Plan.HasVeth ? VethEnd : Unready);
            if (!Plan.HasVeth) return;
            Sysctl.WriteIfThere($"ipv6/conf/{Unready}/disable_ipv6", "1");
            Sysctl.WriteIfThere($"ipv6/conf/{VethPort}/disable_ipv6", "1");
        });
        return (bridge, home);
    }

    private void MoveCard(LinkInfo card, int bridge)
    {
        string physical = PhysicalName(card.Name);
        transaction.Do($"switch {card.Name} off", new RestoreLinkStep(card.Index, card.Name, card.Mac.ToString(), card.IsUp, card.HasArp),
            () => transaction.Change(card.Index, new LinkChange { IsUp = false }));
        transaction.Do($"call it {physical}", () => transaction.Change(card.Index, new LinkChange { Name = physical }));
        transaction.Do($"give {physical} the address of a port", () => transaction.Change(card.Index, new LinkChange { Mac = HostLinks.PortMac, HasArp = false }));
        transaction.Do($"keep addresses away from {physical}", LinkSettingStep.Of(transaction.Link(card.Index), "ipv6", "disable_ipv6"), () =>
        {
            Sysctl.WriteIfThere($"ipv6/conf/{physical}/disable_ipv6", "1");
            foreach (SavedAddress address in Host.SaveAddresses().Where(a => a.LinkIndex == card.Index)) Remove(address);
        });
        transaction.Do($"put {physical} into the bridge", () => transaction.Change(card.Index, new LinkChange { MasterIndex = bridge }));
        transaction.Do($"switch {physical} on", () => transaction.Change(card.Index, new LinkChange { IsUp = true }));
    }

    private void NameHome(LinkInfo card, int bridge, int home)
    {
        if (Plan.BridgeName != Unready)
        {
            UndoStep undo = new RenameLinkStep(bridge, Unready);
            transaction.Do($"call the bridge {Plan.BridgeName}", undo, () => HostLinks.Rename(Host, transaction.Link(bridge), Plan.BridgeName));
        }

        if (Plan.HasVeth) transaction.Do($"call {VethEnd} {card.Name}", new RenameLinkStep(home, VethEnd), () => HostLinks.Rename(Host, transaction.Link(home), card.Name));
    }

    private void MoveAddresses(LinkInfo card, int bridge, int home, NetworkSnapshot before)
    {
        transaction.Do($"switch {Plan.BridgeName} on", () =>
        {
            transaction.Change(bridge, new LinkChange { IsUp = true });
            if (!Plan.HasVeth) return;
            Host.ChangeLink(Host.FindLink(VethPort)!, new LinkChange { MasterIndex = bridge, IsUp = true });
            transaction.Change(home, new LinkChange { IsUp = true });
        });
        NetworkSnapshot after = before.Moved(card.Index, home, card.Name, transaction.Journal.HomeName);
        transaction.Do($"move addresses and routes to {transaction.Journal.HomeName}", () => after.Restore(Host, home));
    }

    private void WaitForLink(int home)
    {
        long begin = Stopwatch.GetTimestamp();
        while ((transaction.Link(home).Flags & LinkFlags.Running) == 0)
        {
            if (Stopwatch.GetElapsedTime(begin).TotalMilliseconds > CableMilliseconds)
                throw new LinuxException($"{transaction.Journal.HomeName} has no link after {CableMilliseconds / 1000} s, and {Plan.Device} had one before");
            Thread.Sleep(LookMilliseconds);
        }
    }

    private void Remove(SavedAddress address)
    {
        try
        {
            Host.Delete(address);
        }
        catch (LinuxException e) when (e.Error == Rtnetlink.EADDRNOTAVAIL)
        {
            // It went together with another one.
        }
    }
}
