using Vmm.Control.Rpc;
using Vmm.Host;
using Vmm.Machine;
using Vmm.Machine.Config;

namespace Vmm.Control.Domains;

/// <summary>
/// The process of one domain: its folder, its socket, and one machine after the other as the guest ends and is started anew. A guest that
/// comes to its end again within a minute of its start is not started anew, so that a broken one does not run in circles.
/// </summary>
/// <remarks>Lock order: the lock here, then the machine's. The machine is never disposed with it held.</remarks>
public sealed class DomainHost : IDisposable
{
    /// <summary>A guest must have lived so long to be started anew.</summary>
    public static readonly TimeSpan LeastLife = TimeSpan.FromSeconds(60);

    private readonly object _gate = new();
    private readonly DomainConfig _config;
    private readonly TimeSpan _leastLife;
    private readonly LogTail _log;
    private readonly LockFile _claim;
    private readonly EpollLoop _loop;
    private readonly RpcServer _server;
    private DomainRecord _record;
    private GuestMachine? _machine;
    private bool _isPaused;
    private bool _isDestroyed;

    /// <summary>Makes the domain; its guest does not run yet.</summary>
    /// <param name="config">The domain.</param>
    /// <param name="registry">Where it is to be found.</param>
    /// <param name="log">Takes lines for the domain's log.</param>
    /// <param name="isPaused">The guest waits for <c>domain.unpause</c>.</param>
    /// <param name="leastLife">Instead of <see cref="LeastLife"/>.</param>
    /// <exception cref="DomainException">The name is taken.</exception>
    /// <remarks>What <see cref="GuestMachine"/> throws comes out of here, too.</remarks>
    public DomainHost(DomainConfig config, DomainRegistry registry, Action<string> log, bool isPaused = false, TimeSpan? leastLife = null)
    {
        (_config, _isPaused, _leastLife) = (config, isPaused, leastLife ?? LeastLife);
        _log = new LogTail(log);
        Folder = registry.Create(config.Name, config.Uuid, out _claim);
        _record = Folder.TryRead()!;
        _loop = new EpollLoop("event loop", _log.Write);
        try
        {
            _machine = NewMachine();
            _server = new RpcServer(Folder.Socket, _ => new DomainCommands(this), () => _log.Lines);
        }
        catch
        {
            _machine?.Dispose();
            _loop.Dispose();
            registry.Remove(Folder, _claim);
            throw;
        }

        Registry = registry;
    }

    /// <summary>The domain's folder.</summary>
    public DomainFolder Folder { get; }

    private DomainRegistry Registry { get; }

    /// <summary>Runs the guest through all its lives, until the domain is to go.</summary>
    public MachineOutcome Run()
    {
        while (true)
        {
            MachineOutcome outcome = RunOnce(out TimeSpan life);
            if (outcome.Dump is not null) _log.Write(outcome.Dump);
            _log.Write(outcome.Reason);
            DomainAction action = ActionOf(outcome.End);
            if (action == DomainAction.Restart && life < _leastLife)
            {
                _log.Write($"the guest is not started anew: it lived {life.TotalSeconds:0} s, and less than {_leastLife.TotalSeconds:0} s means that it runs in circles");
                action = DomainAction.Destroy;
            }

            if (action != DomainAction.Restart)
            {
                Write(_record with { State = DomainState.Ended, Reason = outcome.Reason });
                if (action == DomainAction.Preserve) WaitForDestroy();
                return outcome;
            }

            lock (_gate)
            {
                if (_isDestroyed) return outcome;
                _machine = NewMachine();
            }
        }
    }

    /// <summary>Ends the guest as if its plug were pulled, and the domain with it.</summary>
    public void Destroy(string why)
    {
        lock (_gate)
        {
            _isDestroyed = true;
            _machine?.Stop(why);
            Monitor.PulseAll(_gate);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Destroy("the domain ends");
        _server.Dispose();
        _machine?.Dispose();
        _loop.Dispose();
        Registry.Remove(Folder, _claim);
    }

    internal DomainInfo Info
    {
        get
        {
            lock (_gate)
            {
                DomainRecord record = _record;
                MachineStatistics? statistics = _machine?.Statistics;
                string state = _machine is null ? "ended" : _isPaused ? "paused" : "running";
                return new(record.Id, record.Name, record.Uuid, state, statistics?.Cpu ?? "none", _config.Machine.Vcpus, _config.Machine.MemoryBytes,
                    Environment.CpuUsage.TotalTime.TotalSeconds, statistics?.RunTime.TotalSeconds ?? 0, statistics?.Boots ?? 0);
            }
        }
    }

    internal void SetPaused(bool isPaused)
    {
        lock (_gate)
        {
            GuestMachine machine = _machine ?? throw new RpcException(RpcErrorCode.WrongState, $"the guest of domain '{_record.Name}' has ended");
            if (isPaused) machine.Pause();
            else machine.Resume();
            _isPaused = isPaused;
            Write(_record with { State = isPaused ? DomainState.Paused : DomainState.Running });
        }
    }

    internal void Rename(string name)
    {
        try
        {
            lock (_gate)
            {
                Registry.Rename(Folder, name);
                _record = _record with { Name = name };
            }
        }
        catch (DomainException e)
        {
            throw new RpcException(RpcErrorCode.WrongState, e.Message);
        }
    }

    private MachineOutcome RunOnce(out TimeSpan life)
    {
        GuestMachine machine;
        lock (_gate)
        {
            machine = _machine!;
            if (_isPaused) machine.Pause();
            Write(_record with { State = _isPaused ? DomainState.Paused : DomainState.Running });
        }

        MachineOutcome outcome = machine.Run();
        life = machine.Statistics.RunTime;
        lock (_gate) _machine = null;
        machine.Dispose();
        return outcome;
    }

    private GuestMachine NewMachine()
    {
        // A reset ends the machine, so that what follows is decided in one place.
        MachineConfig config = _config.Machine with
        {
            OnReboot = RebootPolicy.Exit,
            Serial = [new SerialConfig(SerialKind.Unix, Folder.Console)],
        };
        return new GuestMachine(config, new MachineHost(_loop, _log.Write, () => { }));
    }

    private DomainAction ActionOf(MachineEnd end) => end switch
    {
        MachineEnd.Stopped => DomainAction.Destroy,
        MachineEnd.PowerOff => _config.OnPowerOff,
        MachineEnd.Reset => _config.OnReboot,
        _ => _config.OnCrash,
    };

    private void WaitForDestroy()
    {
        lock (_gate)
        {
            while (!_isDestroyed) Monitor.Wait(_gate);
        }
    }

    private void Write(DomainRecord record)
    {
        lock (_gate)
        {
            _record = record;
            Folder.Write(record);
        }
    }
}
