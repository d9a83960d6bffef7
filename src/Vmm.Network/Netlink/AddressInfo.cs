using System.Net;

namespace Vmm.Network.Netlink;

/// <summary>An address of an interface.</summary>
/// <param name="LinkIndex">The interface.</param>
/// <param name="Address">The address.</param>
/// <param name="PrefixLength">Bits of its network.</param>
public sealed record AddressInfo(int LinkIndex, IPAddress Address, int PrefixLength);
