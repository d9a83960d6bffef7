using Vmm.Host.Sockets;
using Vmm.Network.User.Dns;

namespace Vmm.Network.User;

/// <summary>Which end point of the host stands for an address that the guest uses, and the other way round.</summary>
internal sealed class Routes(UserNetOptions options, Resolvers resolvers)
{
    public const ushort DomainPort = 53;

    /// <summary>Where packets for an address and port go on.</summary>
    public Route Find(Ipv4Address address, ushort port, out InetEndPoint remote)
    {
        remote = default;
        if (options.IsRestricted) return Route.Filtered;
        if (address == options.HostAddress)
        {
            remote = InetEndPoint.V4(Ipv4Address.Loopback.Value, port);
            return options.ReachesLoopback ? Route.Open : Route.Refused;
        }

        if (address == options.DnsAddress)
        {
            if (port != DomainPort) return Route.Refused;
            return resolvers.TryGet(out remote) ? Route.Open : Route.Refused;
        }

        if (options.Network.Contains(address)) return address == options.Network.Broadcast ? Route.None : Route.Unreachable;
        if (address.IsNoHost) return Route.None;
        remote = InetEndPoint.V4(address.Value, port);
        return Route.Open;
    }

    /// <summary>Whether packets go to the host's name server.</summary>
    public bool IsNameServer(Ipv4Address address) => address == options.DnsAddress;

    /// <summary>The name server did not answer: take another one next time.</summary>
    public void NameServerFailed() => resolvers.Rotate();

    /// <summary>How the guest sees a peer: those that it could not answer to appear as the gateway.</summary>
    public Ipv4Address Seen(in InetEndPoint peer)
    {
        if (peer.IsIPv6 || peer.IsLoopback) return options.HostAddress;
        Ipv4Address address = new(peer.AddressV4);
        return options.Network.Contains(address) || address.IsNoHost ? options.HostAddress : address;
    }
}
