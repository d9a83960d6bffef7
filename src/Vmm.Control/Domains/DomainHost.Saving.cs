using System.Diagnostics;
using System.Text;
using Vmm.Control.Rpc;
using Vmm.Machine;
using Vmm.Machine.Snapshot;

namespace Vmm.Control.Domains;

/// <content>Saving the guest to a file.</content>
public sealed partial class DomainHost
{
    private const int ProgressSteps = 100;

    /// <summary>Saves the guest; the domain ends then, where it is not to stay.</summary>
    internal SaveInfo Save(string path, bool leaveRunning, bool leavePaused)
    {
        GuestMachine machine = Machine;
        bool wasPaused = Info.State == DomainState.Paused;
        if (leavePaused) SetPaused(true);
        long begin = Stopwatch.GetTimestamp();
        try
        {
            SaveReport report = machine.Save(path, Encoding.UTF8.GetBytes(CurrentConfig.ToJson().GetRawText()), ends: !leaveRunning && !leavePaused, SavingEvents());
            Events.Raise(DomainEventKind.Saved, $"the guest is saved to {path}");
            _log.Write($"the guest is saved to {path}: {report.SizeBytes >> 20} MiB");
            return new SaveInfo(path, report.SizeBytes, report.MemoryBytes, Stopwatch.GetElapsedTime(begin).TotalSeconds);
        }
        catch (OperationCanceledException e)
        {
            // To the library this would be a request that its client has taken back.
            throw new RpcException(RpcErrorCode.WrongState, e.Message);
        }
        catch when (leavePaused && !wasPaused)
        {
            SetPaused(false);
            throw;
        }
    }

    private Action<double> SavingEvents()
    {
        int last = -1;
        return part =>
        {
            int step = (int)(part * ProgressSteps);
            if (step == last) return;
            last = step;
            Events.Raise(DomainEventKind.Saving, $"the guest is being saved: {step} %", progress: part);
        };
    }

    /// <summary>The domain that a file holds.</summary>
    /// <exception cref="DomainException">It holds a machine that was none.</exception>
    public static DomainConfig ConfigOf(SnapshotReader saved)
    {
        try
        {
            using System.Text.Json.JsonDocument json = System.Text.Json.JsonDocument.Parse(saved.Owner);
            return DomainConfig.FromJson(json.RootElement);
        }
        catch (Exception e) when (e is System.Text.Json.JsonException or NotSupportedException)
        {
            throw new DomainException($"the file holds no domain: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }
}
