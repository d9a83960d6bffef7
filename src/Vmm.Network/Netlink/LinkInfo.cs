using Vmm.Core.Backends;

namespace Vmm.Network.Netlink;

/// <summary>A network interface of the host.</summary>
/// <param name="Index">Its number.</param>
/// <param name="Name">Its name.</param>
/// <param name="Kind">"bridge", "tun", "veth" and so on; empty for hardware.</param>
/// <param name="Mac">Its address, zero where it has none.</param>
/// <param name="Mtu">The most bytes of a packet.</param>
/// <param name="MasterIndex">The bridge or bond that it is in; 0 for none.</param>
/// <param name="IsUp">Switched on.</param>
public sealed record LinkInfo(int Index, string Name, string Kind, MacAddress Mac, int Mtu, int MasterIndex, bool IsUp)
{
    /// <summary>All that is said of its state (IFF_…).</summary>
    public LinkFlags Flags { get; init; }

    /// <summary>What the hardware is like (ARPHRD_…): 1 is Ethernet.</summary>
    public int HardwareType { get; init; }

    /// <summary>Whether it answers ARP.</summary>
    public bool HasArp => (Flags & LinkFlags.NoArp) == 0;
}
