using Vmm.Host;
using static Vmm.Network.Netlink.Rtnetlink;

namespace Vmm.Network.Netlink;

/// <summary>Addresses and routes with everything that belongs to them.</summary>
public sealed partial class RouteNetlink
{
    // A list that changed while it was told is told again.
    private const int MostDumps = 8;

    /// <summary>All addresses of all interfaces, in the kernel's order.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public IReadOnlyList<SavedAddress> SaveAddresses() => Steady(() =>
    {
        List<SavedAddress> addresses = [];
        Dump(new NetlinkRequest(RTM_GETADDR, NLM_F_DUMP, AddressBytes), RTM_NEWADDR, "listing addresses", body =>
        {
            SavedAddress address = new(body.ToArray());
            if (address.IsWhole) addresses.Add(address);
        });
        return addresses;
    });

    /// <summary>The routes of all tables but the local one, in the kernel's order.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public IReadOnlyList<SavedRoute> SaveRoutes() => Steady(() =>
    {
        List<SavedRoute> routes = [];
        foreach (byte family in (ReadOnlySpan<byte>)[AF_INET, AF_INET6])
        {
            NetlinkRequest request = new(RTM_GETROUTE, NLM_F_DUMP, RouteBytes);
            request.Body[0] = family;
            bool wasTorn = _isTorn;
            Dump(request, RTM_NEWROUTE, "listing routes", body =>
            {
                SavedRoute route = new(body.ToArray());
                if (route.IsKept) routes.Add(route);
            });
            _isTorn |= wasTorn;
        }

        return routes;
    });

    /// <summary>Gives an address back.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public void Add(SavedAddress address) => Execute(address.ToRequest(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL), $"adding the address {address}");

    /// <summary>Takes an address away.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public void Delete(SavedAddress address) => Execute(address.ToRequest(RTM_DELADDR, 0), $"removing the address {address}");

    /// <summary>Gives a route back.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public void Add(SavedRoute route) => Execute(route.ToRequest(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND), $"adding the route to {route}");

    /// <summary>Takes a route away.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public void Delete(SavedRoute route) => Execute(route.ToRequest(RTM_DELROUTE, 0), $"removing the route to {route}");

    private List<T> Steady<T>(Func<List<T>> list)
    {
        _isTorn = false;
        for (int i = 0; i < MostDumps; i++)
        {
            List<T> got = list();
            if (!_isTorn) return got;
            _isTorn = false;
        }

        throw new LinuxException("the host's addresses and routes change faster than they can be read");
    }
}
