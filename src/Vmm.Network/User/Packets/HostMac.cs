using Vmm.Core.Backends;

namespace Vmm.Network.User.Packets;

/// <summary>Ethernet addresses of our own machines.</summary>
internal static class HostMac
{
    private const ulong GroupPrefix = 0x3333ul << 32;

    private const ulong OwnPrefix = 0x5255ul << 32; // locally administered, and the same in every run

    /// <summary>The address of one of them, made from its IP address.</summary>
    public static MacAddress Of(Ipv4Address address) => new(OwnPrefix | address.Value);

    /// <summary>Where a group of IPv6 listens (RFC 2464 §7).</summary>
    public static MacAddress OfGroup(IpAddress group) => new(GroupPrefix | (uint)group.Value);

    /// <summary>Whether it is that of some group of IPv6.</summary>
    public static bool IsGroup(MacAddress mac) => mac.Value >> 32 == GroupPrefix >> 32;
}
