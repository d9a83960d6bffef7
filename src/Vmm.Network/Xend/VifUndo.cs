using Vmm.Host;
using Vmm.Network.Firewall;

namespace Vmm.Network.Xend;

/// <summary>Takes back what was done for a guest's interface. What fails is said and does not keep the rest.</summary>
internal static class VifUndo
{
    public static void Run(VifRecord record, VifStore store, NetworkStore networks, Action<string> note)
    {
        if (record.Script is not null)
        {
            HookScript script = new(record, store.StoreOf(record.Spec.Name), networks);
            if (record.Spec.HasTwin) Try(() => script.Run("remove", isTwin: true, note), note);
            Try(() => script.Run("offline", isTwin: false, note), note);
        }

        foreach (FirewallChange change in record.Undo.Reverse()) Try(change.TryApply, note);
    }

    private static void Try(Action action, Action<string> note)
    {
        try
        {
            action();
        }
        catch (LinuxException e)
        {
            note(e.Message);
        }
    }
}
