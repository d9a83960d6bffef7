using Vmm.Host.Sockets;
using Vmm.Network.User.Dns;

namespace Vmm.Network.User;

/// <summary>Which end point of the host stands for an address that the guest uses, and the other way round.</summary>
internal sealed class Routes(UserNetOptions options, Resolvers resolvers)
{
    public const ushort DomainPort = 53;

    /// <summary>Where packets for an address and port go on.</summary>
    public Route Find(IpAddress address, ushort port, out InetEndPoint remote)
    {
        remote = default;
        if (options.IsRestricted) return Route.Filtered;
        if (options.IsHost(address))
        {
            remote = address.IsV4 ? InetEndPoint.V4(Ipv4Address.Loopback.Value, port) : new(UInt128.One, port, IsIPv6: true);
            return options.ReachesLoopback ? Route.Open : Route.Refused;
        }

        if (options.IsNameServer(address))
        {
            if (port != DomainPort) return Route.Refused;
            return resolvers.TryGet(out remote) ? Route.Open : Route.Refused;
        }

        if (options.IsOnWire(address)) return address == options.Network.Broadcast || address.IsMulticast ? Route.None : Route.Unreachable;
        if (address.IsNoHost) return Route.None;
        remote = address.IsV4 ? InetEndPoint.V4(address.V4.Value, port) : new(address.Value, port, IsIPv6: true);
        return Route.Open;
    }

    /// <summary>Whether packets go to the host's name server.</summary>
    public bool IsNameServer(IpAddress address) => options.IsNameServer(address);

    /// <summary>The name server did not answer: take another one next time.</summary>
    public void NameServerFailed() => resolvers.Rotate();

    /// <summary>How the guest sees a peer: those that it could not answer to appear as the gateway.</summary>
    /// <param name="peer">The peer.</param>
    /// <param name="guest">The guest's own address, which says what kind it understands.</param>
    public IpAddress Seen(in InetEndPoint peer, IpAddress guest)
    {
        IpAddress address = peer.IsIPv6 ? new(peer.Address) : IpAddress.FromV4(peer.AddressV4);
        bool isAnswerable = address.IsV4 == guest.IsV4 && !options.IsOnWire(address) && !address.IsNoHost;
        return isAnswerable ? address : options.HostFor(guest);
    }
}
