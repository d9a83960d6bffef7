using System.Net;
using Vmm.Network.Netlink;

namespace Vmm.Guest.Tests.Net;

/// <summary>Interfaces of the host, in the network of the calling thread.</summary>
internal static class HostInterfaces
{
    private const int PrefixLength = 24;

    public static void LoopbackUp()
    {
        using RouteNetlink host = new();
        host.ChangeLink(host.FindLink("lo")!, new LinkChange { IsUp = true });
    }

    public static void MakeBridge(string name, string address, int mtu)
    {
        using RouteNetlink host = new();
        host.CreateLink(name, "bridge");
        host.ChangeLink(host.FindLink(name)!, new LinkChange { IsUp = true, Mtu = mtu });
        host.AddAddress(new AddressInfo(host.FindLink(name)!.Index, IPAddress.Parse(address), PrefixLength));
    }

    public static void Address(string name, string address)
    {
        using RouteNetlink host = new();
        LinkInfo link = host.FindLink(name)!;
        host.ChangeLink(link, new LinkChange { IsUp = true });
        host.AddAddress(new AddressInfo(link.Index, IPAddress.Parse(address), PrefixLength));
    }
}
