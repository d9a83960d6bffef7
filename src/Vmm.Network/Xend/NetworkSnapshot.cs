using System.Collections.Immutable;
using System.Diagnostics;
using Vmm.Host;
using Vmm.Network.Netlink;

namespace Vmm.Network.Xend;

/// <summary>All addresses and routes of a host at one moment.</summary>
public sealed record NetworkSnapshot
{
    // Until a link is up, and until nobody is found who has the same address.
    private const int PatienceMilliseconds = 5000, LookMilliseconds = 20;

    /// <summary>The addresses, as the kernel tells them.</summary>
    public required ImmutableArray<SavedAddress> Addresses { get; init; }

    /// <summary>The routes, as the kernel tells them.</summary>
    public required ImmutableArray<SavedRoute> Routes { get; init; }

    /// <summary>Takes one.</summary>
    public static NetworkSnapshot Take(RouteNetlink host) => new() { Addresses = [.. host.SaveAddresses().Where(a => !a.IsTemporary)], Routes = [.. host.SaveRoutes()] };

    /// <summary>The same with what one interface has on another one.</summary>
    public NetworkSnapshot Moved(int fromIndex, int toIndex, string fromName, string toName) => new()
    {
        Addresses = [.. Addresses.Select(a => a.Moved(fromIndex, toIndex, fromName, toName))],
        Routes = [.. Routes.Select(r => r.Moved(fromIndex, toIndex))],
    };

    /// <summary>
    /// Makes the host as it was: what is missing is added anywhere, and from one interface is removed what was not there and came by itself.
    /// </summary>
    /// <param name="host">The host.</param>
    /// <param name="home">The interface that was changed.</param>
    /// <exception cref="LinuxException">Something is still missing.</exception>
    public void Restore(RouteNetlink host, int home)
    {
        HashSet<int> links = [.. host.Links().Select(l => l.Index)];
        RestoreAddresses(host, home, links);
        long begin = Stopwatch.GetTimestamp();
        LinuxException? failure = TryRestoreRoutes(host, home);
        while (failure is not null && Stopwatch.GetElapsedTime(begin).TotalMilliseconds < PatienceMilliseconds)
        {
            // An address that is still being looked for cannot be a route's source yet.
            Thread.Sleep(LookMilliseconds);
            failure = TryRestoreRoutes(host, home);
        }

        if (failure is not null) throw failure;
        RestoreOrder(host);
    }

    /// <summary>Waits until the addresses of an interface are good: nobody else has them.</summary>
    public static void WaitForAddresses(RouteNetlink host, int home)
    {
        long begin = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(begin).TotalMilliseconds < PatienceMilliseconds)
        {
            if (!host.SaveAddresses().Any(a => a.LinkIndex == home && a.IsTentative)) return;
            Thread.Sleep(LookMilliseconds);
        }
    }

    private void RestoreAddresses(RouteNetlink host, int home, HashSet<int> links)
    {
        MakeRoom(host, home);
        IReadOnlyList<SavedAddress> have = host.SaveAddresses();
        SavedAddress[] missing = [.. Addresses.Where(a => links.Contains(a.LinkIndex) && !have.Any(a.IsSameAs))];
        // The kernel puts a new address behind the others for IPv4, and before them for IPv6.
        foreach (SavedAddress address in missing.Where(a => !a.IsV6).Concat(missing.Where(a => a.IsV6).Reverse()))
        {
            LinuxException? failure = Try(() => host.Add(address));
            if (failure is not null && failure.Error != Rtnetlink.EEXIST) throw failure;
        }
    }

    /// <summary>Leaves of an interface's addresses only those to which the missing ones can be added in the right order: of several the first one counts.</summary>
    private void MakeRoom(RouteNetlink host, int home)
    {
        foreach (bool isV6 in (ReadOnlySpan<bool>)[false, true])
        {
            SavedAddress[] wanted = [.. Addresses.Where(a => a.LinkIndex == home && a.IsV6 == isV6)];
            SavedAddress[] now = [.. host.SaveAddresses().Where(a => a.LinkIndex == home && a.IsV6 == isV6 && !a.IsTemporary)];
            // A label is lost when its interface is renamed; then the address is another one.
            SavedAddress[] kept = [.. now.Where(a => wanted.Any(a.IsSameAs))];
            SavedAddress[] part = isV6 ? wanted[Math.Max(0, wanted.Length - kept.Length)..] : wanted[..kept.Length];
            bool isInOrder = kept.Zip(part).All(pair => pair.First.IsSameAs(pair.Second));
            // The last first: those after it depend on the first of a network.
            foreach (SavedAddress address in now.Reverse().Where(a => !isInOrder || !kept.Contains(a))) Try(() => host.Delete(address));
        }
    }

    private LinuxException? TryRestoreRoutes(RouteNetlink host, int home)
    {
        IReadOnlyList<SavedRoute> have = host.SaveRoutes();
        HashSet<int> up = [.. host.Links().Where(l => l.IsUp).Select(l => l.Index)];
        foreach (SavedRoute extra in have.Where(r => r.LinkIndex == home && r.IsKernels && !Routes.Any(r.IsSameAs))) Try(() => host.Delete(extra));
        LinuxException? failure = null;
        // Gateways must be reachable before anything leads through them.
        foreach (SavedRoute route in Routes.Where(r => !have.Any(r.IsSameAs)).OrderBy(r => r.IsIndirect))
        {
            if (route.LinkIndex != 0 && !up.Contains(route.LinkIndex)) continue;
            LinuxException? refused = Try(() => host.Add(route));
            if (refused is not null && refused.Error != Rtnetlink.EEXIST) failure ??= refused;
        }

        return failure;
    }

    /// <summary>Of several routes to one place, over different cards, the first one counts; what was added again has become the last.</summary>
    private void RestoreOrder(RouteNetlink host)
    {
        ILookup<string, SavedRoute> have = host.SaveRoutes().ToLookup(r => r.Place);
        foreach (IGrouping<string, SavedRoute> place in Routes.GroupBy(r => r.Place).Where(g => g.Count() > 1))
        {
            SavedRoute[] wanted = [.. place.Where(r => have[place.Key].Any(r.IsSameAs))];
            SavedRoute[] now = [.. have[place.Key].Where(r => wanted.Any(r.IsSameAs))];
            int same = 0;
            while (same < Math.Min(wanted.Length, now.Length) && wanted[same].IsSameAs(now[same])) same++;
            foreach (SavedRoute route in wanted[same..])
            {
                host.Delete(route);
                host.Add(route);
            }
        }
    }

    private static LinuxException? Try(Action action)
    {
        try
        {
            action();
            return null;
        }
        catch (LinuxException e)
        {
            return e;
        }
    }
}
