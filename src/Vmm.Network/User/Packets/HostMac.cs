using Vmm.Core.Backends;

namespace Vmm.Network.User.Packets;

/// <summary>Ethernet addresses of our own machines.</summary>
internal static class HostMac
{
    private const ulong OwnPrefix = 0x5255ul << 32; // locally administered, and the same in every run

    /// <summary>The address of one of them, made from its IP address.</summary>
    public static MacAddress Of(Ipv4Address address) => new(OwnPrefix | address.Value);
}
