using System.Net;

namespace Vmm.Network.Netlink;

/// <summary>A route of the main table.</summary>
/// <param name="Destination">The network.</param>
/// <param name="PrefixLength">Bits of it; 0 for the default route.</param>
/// <param name="Gateway">The next hop; null when the network is on the link itself.</param>
/// <param name="LinkIndex">The interface.</param>
public sealed record RouteInfo(IPAddress Destination, int PrefixLength, IPAddress? Gateway, int LinkIndex)
{
    /// <summary>Among several to one place the smallest wins; 0 for the kernel's choice. Not read back.</summary>
    public uint Metric { get; init; }

    /// <summary>The host's address on this way; null for the kernel's choice. Not read back.</summary>
    public IPAddress? Source { get; init; }
}
