using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Vmm.Host;
using static Vmm.Network.Netlink.Rtnetlink;

namespace Vmm.Network.Netlink;

/// <summary>Addresses and routes.</summary>
public sealed partial class RouteNetlink
{
    // struct ifaddrmsg: family, prefix length, flags, scope, index.
    private const int AddressPrefixAt = 1, AddressIndexAt = 4;

    // struct rtmsg: family, destination and source lengths, TOS, table, protocol, scope, type, flags.
    private const int RoutePrefixAt = 1, RouteTableAt = 4, RouteProtocolAt = 5, RouteScopeAt = 6, RouteTypeAt = 7;

    /// <summary>All addresses of all interfaces.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public IReadOnlyList<AddressInfo> Addresses()
    {
        List<AddressInfo> addresses = [];
        Dump(new NetlinkRequest(RTM_GETADDR, NLM_F_DUMP, AddressBytes), RTM_NEWADDR, "listing addresses", body =>
        {
            if (ReadAddress(body) is { } address) addresses.Add(address);
        });
        return addresses;
    }

    /// <summary>Gives an interface an address.</summary>
    /// <exception cref="LinuxException">The kernel refused; <see cref="LinuxException.Error"/> is EEXIST (17) when it has it.</exception>
    public void AddAddress(AddressInfo address)
        => Execute(AddressRequest(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, address), $"adding the address {address.Address}/{address.PrefixLength}");

    /// <summary>Takes an address away.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public void DeleteAddress(AddressInfo address)
        => Execute(AddressRequest(RTM_DELADDR, 0, address), $"removing the address {address.Address}/{address.PrefixLength}");

    /// <summary>The main table's routes.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public IReadOnlyList<RouteInfo> Routes()
    {
        List<RouteInfo> routes = [];
        foreach (byte family in (ReadOnlySpan<byte>)[AF_INET, AF_INET6])
        {
            NetlinkRequest request = new(RTM_GETROUTE, NLM_F_DUMP, RouteBytes);
            request.Body[0] = family;
            Dump(request, RTM_NEWROUTE, "listing routes", body =>
            {
                if (ReadRoute(body) is { } route) routes.Add(route);
            });
        }

        return routes;
    }

    /// <summary>Adds a route to the main table.</summary>
    /// <exception cref="LinuxException">The kernel refused; <see cref="LinuxException.Error"/> is EEXIST (17) when there is one.</exception>
    public void AddRoute(RouteInfo route)
        => Execute(RouteRequest(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route), $"adding the route to {route.Destination}/{route.PrefixLength}");

    /// <summary>Removes a route of the main table.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public void DeleteRoute(RouteInfo route)
        => Execute(RouteRequest(RTM_DELROUTE, 0, route), $"removing the route to {route.Destination}/{route.PrefixLength}");

    private static NetlinkRequest AddressRequest(ushort type, int flags, AddressInfo address)
    {
        NetlinkRequest request = new(type, (ushort)(flags | NLM_F_ACK), AddressBytes);
        request.Body[0] = FamilyOf(address.Address);
        request.Body[AddressPrefixAt] = (byte)address.PrefixLength;
        BinaryPrimitives.WriteInt32LittleEndian(request.Body[AddressIndexAt..], address.LinkIndex);
        byte[] bytes = address.Address.GetAddressBytes();
        return request.Add(IFA_LOCAL, bytes).Add(IFA_ADDRESS, bytes);
    }

    private static AddressInfo? ReadAddress(ReadOnlySpan<byte> body)
    {
        int index = BinaryPrimitives.ReadInt32LittleEndian(body[AddressIndexAt..]);
        int prefix = body[AddressPrefixAt];
        IPAddress? found = null;
        NetlinkAttributes attributes = new(body[AddressBytes..]);
        while (attributes.Next(out ushort type, out ReadOnlySpan<byte> value))
        {
            // On a point-to-point link IFA_ADDRESS is the peer's, and IFA_LOCAL, which IPv6 does not have, is ours.
            if (type == IFA_LOCAL || (type == IFA_ADDRESS && found is null)) found = new IPAddress(value);
        }

        return found is null ? null : new AddressInfo(index, found, prefix);
    }

    private static NetlinkRequest RouteRequest(ushort type, int flags, RouteInfo route)
    {
        NetlinkRequest request = new(type, (ushort)(flags | NLM_F_ACK), RouteBytes);
        request.Body[0] = FamilyOf(route.Destination);
        request.Body[RoutePrefixAt] = (byte)route.PrefixLength;
        request.Body[RouteTableAt] = RT_TABLE_MAIN;
        request.Body[RouteProtocolAt] = RTPROT_STATIC;
        request.Body[RouteScopeAt] = route.Gateway is null && route.Destination.AddressFamily == AddressFamily.InterNetwork ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
        request.Body[RouteTypeAt] = RTN_UNICAST;
        if (route.PrefixLength != 0) request.Add(RTA_DST, route.Destination.GetAddressBytes());
        if (route.Gateway is not null) request.Add(RTA_GATEWAY, route.Gateway.GetAddressBytes());
        if (route.Metric != 0) request.Add(RTA_PRIORITY, route.Metric);
        if (route.Source is not null) request.Add(RTA_PREFSRC, route.Source.GetAddressBytes());
        return request.Add(RTA_OIF, (uint)route.LinkIndex);
    }

    private static RouteInfo? ReadRoute(ReadOnlySpan<byte> body)
    {
        if (body[RouteTableAt] != RT_TABLE_MAIN || body[RouteTypeAt] != RTN_UNICAST) return null;
        IPAddress destination = body[0] == AF_INET ? IPAddress.Any : IPAddress.IPv6Any;
        (IPAddress? gateway, int index) = (null, 0);
        NetlinkAttributes attributes = new(body[RouteBytes..]);
        while (attributes.Next(out ushort type, out ReadOnlySpan<byte> value))
        {
            if (type == RTA_DST) destination = new IPAddress(value);
            else if (type == RTA_GATEWAY) gateway = new IPAddress(value);
            else if (type == RTA_OIF) index = BinaryPrimitives.ReadInt32LittleEndian(value);
        }

        return new RouteInfo(destination, body[RoutePrefixAt], gateway, index);
    }

    private static byte FamilyOf(IPAddress address) => address.AddressFamily == AddressFamily.InterNetwork ? AF_INET : AF_INET6;
}
