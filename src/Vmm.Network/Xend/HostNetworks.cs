using System.Diagnostics;
using Vmm.Host;
using Vmm.Network.Netlink;

namespace Vmm.Network.Xend;

/// <summary>
/// The networks for guests that the host has: <c>vmm network</c>. Starting what is started and stopping what is stopped does nothing; what fails is
/// taken back; what broke off is taken back by the next one who comes.
/// </summary>
/// <param name="store">Where it is written down what has been done.</param>
/// <param name="program">The executable vmm, for the server of a network with NAT.</param>
/// <param name="progress">Told of every step before it is done.</param>
public sealed class HostNetworks(NetworkStore store, string program, Action<string> progress)
{
    /// <summary>Starts a network.</summary>
    /// <returns>False when it was there already.</returns>
    /// <exception cref="LinuxException">It could not be made, and the host is as it was; or else the message says so.</exception>
    public bool Start(NetworkPlan plan)
    {
        NeedPrivilege();
        plan.Check();
        using LockFile only = store.Lock();
        using RouteNetlink host = new();
        foreach (NetworkJournal journal in Ours().Where(j => j.State != JournalState.Started)) Continue(host, journal).Undo();
        plan = Fill(host, plan, Ours());
        if (Ours().FirstOrDefault(j => j.Plan.Name == plan.Name) is { } there)
        {
            if (there.Plan != plan) throw new LinuxException($"the network {plan.Title} is started already, in another way: stop it first");
            if (StatusOf(host, there) is { IsWhole: false } status) return Repair(there, status);
            return false;
        }

        NetworkTransaction transaction = Begin(host, plan);
        try
        {
            Build(transaction);
        }
        catch (Exception e)
        {
            UndoAfter(transaction, e);
            throw;
        }

        return true;
    }

    /// <summary>Stops a network.</summary>
    /// <param name="kind">Its kind.</param>
    /// <param name="bridge">Its bridge, or the card of a routed one; null for the only one of that kind.</param>
    /// <returns>False when there was none.</returns>
    /// <exception cref="LinuxException">It is not clear which one, or it could not be undone whole; then it can be tried again.</exception>
    public bool Stop(NetworkKind kind, string? bridge)
    {
        NeedPrivilege();
        using LockFile only = store.Lock();
        NetworkJournal[] found = [.. Ours().Where(j => j.Plan.Kind == kind && (bridge is null || (kind == NetworkKind.Route ? j.Plan.Device : j.Plan.BridgeName) == bridge))];
        if (found.Length > 1) throw new LinuxException($"there are {found.Length} such networks ({string.Join(", ", found.Select(j => j.Plan.Title))}): say which");
        if (found.Length == 0) return false;
        new VifStore(store).SweepLocked(progress);
        using RouteNetlink host = new();
        NetworkTransaction transaction = Continue(host, found[0]);
        // What has changed since the start is to stay: an address of DHCP's, a route that the administrator has added.
        NetworkSnapshot? now = transaction.Journal.State == JournalState.Started && HasHome(host, transaction.Journal) ? NetworkSnapshot.Take(host) : null;
        transaction.Note(j => j with { State = JournalState.Stopping, Snapshot = now ?? j.Snapshot });
        transaction.Undo();
        return true;
    }

    /// <summary>The networks that are there, and those that are there in part.</summary>
    /// <exception cref="LinuxException">The host does not tell.</exception>
    public IReadOnlyList<NetworkStatus> Status()
    {
        using RouteNetlink host = new();
        return [.. Ours().Select(j => StatusOf(host, j))];
    }

    /// <summary>The steps alone, without what takes them back when one fails.</summary>
    internal void StartWithoutRollback(NetworkPlan plan)
    {
        using LockFile only = store.Lock();
        using RouteNetlink host = new();
        Build(Begin(host, Fill(host, plan, [])));
    }

    private NetworkStatus StatusOf(RouteNetlink host, NetworkJournal journal) => NetworkStatus.Of(host, store, journal);

    private bool Repair(NetworkJournal there, NetworkStatus status)
    {
        // Only a server comes back by itself; who has changed the rest by hand may have meant it.
        if (status.Problems is not [NetworkStatus.NoServer]) throw new LinuxException($"the network {there.Plan.Title} is not whole any more: {string.Join("; ", status.Problems)}. Stop it and start it again");
        progress("start the server for DHCP and names");
        new ServerProcess(store.Folder, there.Plan.BridgeName).Start(program, there.Plan);
        return true;
    }

    private NetworkTransaction Begin(RouteNetlink host, NetworkPlan plan)
        => new(host, store, new NetworkJournal { Plan = plan, Namespace = NetworkStore.CurrentNamespace, Began = Stopwatch.GetTimestamp() }, progress);

    private NetworkTransaction Continue(RouteNetlink host, NetworkJournal journal) => new(host, store, journal, progress);

    private void Build(NetworkTransaction transaction)
    {
        if (transaction.Plan.Kind == NetworkKind.Bridge) new BridgeBuilder(transaction).Build();
        else if (transaction.Plan.Kind == NetworkKind.Nat) new NatBuilder(transaction, program).Build();
        else RouteBuilder.Build(transaction);
        transaction.Note(j => j with { State = JournalState.Started });
    }

    private static void UndoAfter(NetworkTransaction transaction, Exception cause)
    {
        try
        {
            transaction.Undo();
        }
        catch (LinuxException e)
        {
            throw new LinuxException($"{cause.Message}. What had been done could not all be taken back ({e.Message}): 'vmm network stop {transaction.Plan.KindName}' tries again", cause);
        }
    }

    private List<NetworkJournal> Ours()
    {
        string here = NetworkStore.CurrentNamespace;
        return [.. store.List().Where(j => j.Namespace == here)];
    }

    private static bool HasHome(RouteNetlink host, NetworkJournal journal) => host.Links().Any(l => l.Index == journal.HomeIndex && l.IsUp);

    /// <summary>Finds the card, where none was named.</summary>
    private static NetworkPlan Fill(RouteNetlink host, NetworkPlan plan, List<NetworkJournal> started)
    {
        // While a bridge is there, the default route leads over it.
        if (plan.Device is null && started.FirstOrDefault(j => j.Plan.Name == plan.Name && plan.Kind == NetworkKind.Bridge) is { } there) return plan with { Device = there.Plan.Device };
        if (plan.Device is null && plan.Kind != NetworkKind.Nat) plan = plan with { Device = DefaultDevice(host) };
        bool isMoved = started.Any(j => j.Plan.Kind == NetworkKind.Bridge && j.Plan.Device == plan.Device);
        if (plan.Device is not null && !isMoved && host.FindLink(plan.Device) is null) throw new LinuxException($"there is no interface {plan.Device}");
        return plan;
    }

    private static string DefaultDevice(RouteNetlink host)
    {
        SavedRoute? route = host.SaveRoutes().Where(r => r.IsDefault && r.LinkIndex != 0).OrderBy(r => r.IsV6).ThenBy(r => r.Metric).FirstOrDefault();
        return host.Links().FirstOrDefault(l => l.Index == route?.LinkIndex)?.Name ?? throw new LinuxException("there is no default route that would say which network card: name it with --netdev");
    }

    /// <summary>Says what is missing where this process may not change the host's network.</summary>
    /// <exception cref="LinuxException">It may not.</exception>
    public static void NeedPrivilege()
    {
        if (!HostPrivilege.HasNetAdmin) throw new LinuxException("the host's network can only be changed with CAP_NET_ADMIN: run it as root (sudo)");
    }
}
