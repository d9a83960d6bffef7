using Vmm.Core.Backends;
using Vmm.Network.Netlink;

namespace Vmm.Network.Xend;

/// <summary>What networks and guest interfaces do alike with interfaces.</summary>
internal static class HostLinks
{
    /// <summary>The address of what only passes frames on: never lower than another's, which a bridge would take for its own.</summary>
    public static readonly MacAddress PortMac = new(0xfeff_ffff_ffff);

    /// <summary>ARPHRD_ETHER.</summary>
    public const int Ethernet = 1;

    /// <summary>Changes the name; the interface is off afterwards, for kernels that refuse else.</summary>
    public static void Rename(RouteNetlink host, LinkInfo link, string name)
    {
        host.ChangeLink(link, new LinkChange { IsUp = false });
        host.ChangeLink(link, new LinkChange { Name = name });
    }
}
