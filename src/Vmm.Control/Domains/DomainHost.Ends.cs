using Vmm.Control.Rpc;
using Vmm.Core.Hypervisor;
using Vmm.Host;
using Vmm.Machine;

namespace Vmm.Control.Domains;

/// <content>What follows when the guest comes to an end: on_poweroff, on_reboot, on_crash.</content>
public sealed partial class DomainHost
{
    private TaskCompletionSource<GuestEnd> _nextEnd = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private GuestEnd? _lastEnd;
    private bool _isResetAsked;
    private bool _hasEnded;

    /// <summary>The guest's next end; the last one when there is no guest any more.</summary>
    internal Task<GuestEnd> NextEnd
    {
        get
        {
            lock (_gate) return _hasEnded && _lastEnd is { } last ? Task.FromResult(last) : _nextEnd.Task;
        }
    }

    /// <summary>Resets the guest because somebody asked for it: that it lived for a moment only says nothing against it.</summary>
    internal void Reset()
    {
        GuestMachine machine = Machine;
        lock (_gate) _isResetAsked = true;
        machine.Reset("the machine was reset from outside");
    }

    /// <summary>On the machine's thread, at each end that nobody ordered.</summary>
    private bool GoesOn(MachineOutcome outcome)
    {
        if (outcome.Dump is not null) _log.Write(outcome.Dump);
        _log.Write(outcome.Reason);
        if (outcome.End == MachineEnd.GuestPanic) Events.Raise(DomainEventKind.Panicked, outcome.Reason);
        bool isAsked;
        lock (_gate) (isAsked, _isResetAsked) = (_isResetAsked, false);
        DomainAction action = ActionOf(outcome.End);
        if (action is DomainAction.CoredumpDestroy or DomainAction.CoredumpRestart) WriteCore();
        bool beginsAnew = action is DomainAction.Restart or DomainAction.CoredumpRestart or DomainAction.RenameRestart;
        if (beginsAnew && !isAsked && RunsInCircles()) action = DomainAction.Destroy;
        bool goesOn = action is DomainAction.Restart or DomainAction.CoredumpRestart;
        Note(new GuestEnd(outcome.End, outcome.Reason, action, DateTimeOffset.UtcNow), goesOn);
        return goesOn;
    }

    /// <summary>After the last life.</summary>
    private void Finish(MachineOutcome outcome)
    {
        // An end that was ordered has not been noted yet.
        if (!Volatile.Read(ref _hasEnded)) Note(new GuestEnd(outcome.End, outcome.Reason, DomainAction.Destroy, DateTimeOffset.UtcNow), goesOn: false);
        DomainAction action = _lastEnd!.Action;
        if (action is not (DomainAction.Preserve or DomainAction.RenameRestart)) return;
        DomainConfig config = CurrentConfig;
        _machine.ReleaseDevices();
        if (action == DomainAction.RenameRestart) Replace(config);
        lock (_gate)
        {
            while (!_isDestroyed) Monitor.Wait(_gate);
        }
    }

    private DomainAction ActionOf(MachineEnd end) => end switch
    {
        MachineEnd.Stopped => DomainAction.Destroy,
        MachineEnd.PowerOff => _config.OnPowerOff,
        MachineEnd.Reset => _config.OnReboot,
        _ => _config.OnCrash,
    };

    // xend's guard; xl has none.
    private bool RunsInCircles()
    {
        TimeSpan life = _machine.LifeTime, least = _options.LeastLife ?? LeastLife;
        if (life >= least) return false;
        _log.Write($"the guest is not started anew: it lived {life.TotalSeconds:0} s, and less than {least.TotalSeconds:0} s means that it runs in circles");
        return true;
    }

    private void WriteCore()
    {
        try
        {
            string path = new CoreFolder(_options.CoreFolder ?? CoreFolder.Default).NewPath(_record.Name, DateTimeOffset.UtcNow);
            _machine.WriteCore(path);
            _log.Write($"a core file of the guest was written to {path}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or LinuxException or HypervisorException)
        {
            _log.Write($"no core file of the guest could be written: {e.Message}");
        }
    }

    /// <summary>Tells everybody of an end.</summary>
    private void Note(GuestEnd end, bool goesOn)
    {
        TaskCompletionSource<GuestEnd> waiting;
        lock (_gate)
        {
            _lastEnd = end;
            (waiting, _nextEnd) = (_nextEnd, new(TaskCreationOptions.RunContinuationsAsynchronously));
            _hasEnded = !goesOn;
            Write(record => goesOn ? record : record with { State = DomainState.Ended, Reason = end.Reason });
        }

        Events.Raise(goesOn ? DomainEventKind.Reset : DomainEventKind.Ended, end.Reason, end: end);
        waiting.SetResult(end);
    }

    /// <summary>This domain makes room for another one of the same configuration.</summary>
    private void Replace(DomainConfig config)
    {
        try
        {
            string name = $"{config.Name}-{CoreFolder.Stamp(DateTimeOffset.UtcNow)}";
            lock (_gate)
            {
                _registry.Rename(Folder, name, Guid.NewGuid());
                _record = Folder.TryRead() ?? _record;
            }

            Events.Raise(DomainEventKind.Renamed, $"the domain's name is '{name}'");
            if (_options.Spawn is { } spawn) spawn(config);
            else _log.Write($"nothing here can make another domain '{config.Name}' in its place");
        }
        catch (Exception e) when (e is DomainException or LinuxException or IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            _log.Write($"no other domain comes in its place: {e.Message}");
        }
    }
}
