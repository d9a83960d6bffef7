using Vmm.Host;
using Vmm.Network.Netlink;

namespace Vmm.Network.Xend;

/// <summary>The making of a network, step by step: what undoes a step is written down before the step is done.</summary>
/// <param name="host">The host's interfaces.</param>
/// <param name="store">Where it is written down.</param>
/// <param name="journal">What is written down.</param>
/// <param name="progress">Told of every step before it is done.</param>
internal sealed class NetworkTransaction(RouteNetlink host, NetworkStore store, NetworkJournal journal, Action<string> progress)
{
    public RouteNetlink Host => host;

    public NetworkStore Store => store;

    public NetworkJournal Journal { get; private set; } = journal;

    public NetworkPlan Plan => Journal.Plan;

    /// <summary>Writes down a change of what is known.</summary>
    public void Note(Func<NetworkJournal, NetworkJournal> change)
    {
        NetworkJournal changed = change(Journal);
        store.Write(changed);
        Journal = changed;
    }

    /// <summary>Does a step that needs no undoing of its own.</summary>
    public void Do(string what, Action act)
    {
        progress(what);
        act();
    }

    /// <summary>Does a step.</summary>
    /// <param name="what">What it does, in words.</param>
    /// <param name="undo">What takes it back; null for nothing.</param>
    /// <param name="act">The step.</param>
    public void Do(string what, UndoStep? undo, Action act)
    {
        if (undo is not null) Note(j => j with { Steps = j.Steps.Add(undo) });
        Do(what, act);
    }

    /// <summary>The interface of a number, as it is now.</summary>
    /// <exception cref="LinuxException">It is gone.</exception>
    public LinkInfo Link(int index) => host.Links().FirstOrDefault(l => l.Index == index) ?? throw new LinuxException($"the interface with number {index} is gone");

    /// <summary>Changes an interface by its number.</summary>
    public void Change(int index, LinkChange change) => host.ChangeLink(Link(index), change);

    /// <summary>Takes everything back, the last step first, and forgets the network when nothing is left to be done.</summary>
    /// <exception cref="LinuxException">Something could not be undone. It is tried again by the next one who asks.</exception>
    public void Undo()
    {
        UndoContext context = new(host, store, Journal);
        List<string> failures = [];
        foreach (UndoStep step in Journal.Steps.Reverse())
        {
            Try(() =>
            {
                progress($"undo: {step.What}");
                step.Undo(context);
            }, failures);
        }

        Try(Restore, failures);
        if (failures.Count != 0) throw new LinuxException(string.Join("; ", failures));
        store.Remove(Journal);
    }

    private void Restore()
    {
        if (Journal.Snapshot is not { } snapshot || host.Links().FirstOrDefault(l => l.Index == Journal.DeviceIndex) is not { } device) return;
        progress("undo: give addresses and routes back");
        if (Journal.HomeIndex != 0) snapshot = snapshot.Moved(Journal.HomeIndex, device.Index, Journal.HomeName, device.Name);
        snapshot.Restore(host, device.Index);
        NetworkSnapshot.WaitForAddresses(host, device.Index);
    }

    private static void Try(Action action, List<string> failures)
    {
        try
        {
            action();
        }
        catch (LinuxException e)
        {
            failures.Add(e.Message);
        }
    }
}
