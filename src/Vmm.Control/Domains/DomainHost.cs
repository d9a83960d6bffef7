using Vmm.Control.Rpc;
using Vmm.Core.Hypervisor;
using Vmm.Firmware.Boot;
using Vmm.Host;
using Vmm.Host.Processes;
using Vmm.Machine;
using Vmm.Machine.Config;
using Vmm.Machine.Snapshot;

namespace Vmm.Control.Domains;

/// <summary>
/// The process of one domain: its folder, its socket, and its machine through all the guest's lives. A guest that comes to its end again
/// within a minute of its start is not started anew, so that a broken one does not run in circles.
/// </summary>
/// <remarks>Lock order: the lock here, then the machine's. The machine is never disposed with it held.</remarks>
public sealed partial class DomainHost : IDisposable
{
    /// <summary>A guest must have lived so long to be started anew.</summary>
    public static readonly TimeSpan LeastLife = TimeSpan.FromSeconds(60);

    private readonly object _gate = new();
    private readonly DomainConfig _config;
    private readonly DomainHostOptions _options;
    private readonly DomainRegistry _registry;
    private readonly LogTail _log;
    private readonly LockFile _claim;
    private readonly EpollLoop _loop;
    private readonly GuestMachine _machine;
    private readonly RpcServer _server;
    private readonly bool _startsPaused;
    private DomainRecord _record;
    private bool _isDestroyed;
    private ulong _maximumMemory;

    /// <summary>Makes the domain; its guest does not run yet.</summary>
    /// <param name="config">The domain.</param>
    /// <param name="registry">Where it is to be found.</param>
    /// <param name="log">Takes lines for the domain's log.</param>
    /// <param name="options">How it lives; null for the defaults.</param>
    /// <exception cref="DomainException">The name is taken.</exception>
    /// <remarks>What <see cref="GuestMachine"/> throws comes out of here, too.</remarks>
    public DomainHost(DomainConfig config, DomainRegistry registry, Action<string> log, DomainHostOptions? options = null)
    {
        (_config, _registry, _options) = (config, registry, options ?? new());
        _maximumMemory = config.Machine.MemoryBytes;
        _startsPaused = _options.IsPaused;
        _log = new LogTail(log);
        Folder = registry.Create(config.Name, config.Uuid, out _claim);
        _record = Folder.TryRead()!;
        _loop = new EpollLoop("event loop", _log.Write);
        try
        {
            _machine = NewMachine(_options.Saved, _options.Progress);
            if (_startsPaused) _machine.Pause();
            _server = new RpcServer(Folder.Socket, rpc => new DomainCommands(this, rpc), () => _log.Last(LogTail.LinesOfAnError));
        }
        catch
        {
            _machine?.Dispose();
            _loop.Dispose();
            registry.Remove(Folder, _claim);
            throw;
        }
    }

    /// <summary>The domain's folder.</summary>
    public DomainFolder Folder { get; }

    /// <summary>What happens to the domain.</summary>
    internal DomainEvents Events { get; } = new();

    /// <summary>The domain's log.</summary>
    internal LogTail Log => _log;

    /// <summary>The guest's machine.</summary>
    /// <exception cref="RpcException">The guest has ended.</exception>
    internal GuestMachine Machine
        => Volatile.Read(ref _hasEnded) ? throw new RpcException(RpcErrorCode.WrongState, $"the guest of domain '{_record.Name}' has ended") : _machine;

    /// <summary>The guest's machine, also after the guest's end.</summary>
    internal GuestMachine MachineAtAnyTime => _machine;

    internal int VcpuCount => _config.Machine.Vcpus;

    /// <summary>The console that the guest takes for its own.</summary>
    internal string ConsoleName => DomainConsoles.NameFor(_config.Machine.Boot.CommandLine);

    internal ulong MemoryBytes => _config.Machine.MemoryBytes;

    /// <summary>The most that the guest may be given now.</summary>
    internal ulong MaximumMemoryBytes
    {
        get => Volatile.Read(ref _maximumMemory);
        set => Volatile.Write(ref _maximumMemory, value);
    }

    /// <summary>Runs the guest through all its lives, until the domain is to go.</summary>
    public MachineOutcome Run()
    {
        DomainState begins = _startsPaused ? DomainState.Paused : DomainState.Running;
        // A client may have been faster.
        Write(record => record.State == DomainState.Starting ? record with { State = begins } : record);
        bool isPaused = _record.State == DomainState.Paused;
        Events.Raise(isPaused ? DomainEventKind.Paused : DomainEventKind.Running, isPaused ? "the guest waits to be started" : "the guest starts");
        MachineOutcome outcome;
        try
        {
            outcome = _machine.Run();
        }
        catch (Exception e) when (e is BootException or HypervisorException or LinuxException)
        {
            // The guest could not be started anew.
            outcome = new MachineOutcome(MachineEnd.Failed, e.Message);
            _log.Write(e.Message);
        }

        Finish(outcome);
        return outcome;
    }

    /// <summary>Ends the guest as if its plug were pulled, and the domain with it.</summary>
    public void Destroy(string why)
    {
        lock (_gate)
        {
            _isDestroyed = true;
            _machine.Stop(why);
            Monitor.PulseAll(_gate);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Destroy("the domain ends");
        _server.Dispose();
        _machine.Dispose();
        _loop.Dispose();
        _registry.Remove(Folder, _claim);
    }

    internal DomainInfo Info
    {
        get
        {
            DomainRecord record;
            GuestEnd? lastEnd;
            lock (_gate) (record, lastEnd) = (_record, _lastEnd);
            MachineStatistics statistics = _machine.Statistics;
            return new(record.Id, record.Name, record.Uuid, record.State, record.State == DomainState.Ended ? "none" : statistics.Cpu, _config.Machine.Vcpus,
                _config.Machine.MemoryBytes, MaximumMemoryBytes, _machine.BalloonStatistics?.ActualBytes, statistics.CpuTime.TotalSeconds, _machine.LifeTime.TotalSeconds,
                statistics.Boots, record.ProcessId, record.Created, lastEnd,
                _machine.DeviceModel is { } model ? new(model.ProcessId, model.Starts, model.CpuTime.TotalSeconds) : null);
        }
    }

    /// <summary>The configuration with the devices as they are now.</summary>
    internal DomainConfig CurrentConfig
    {
        get
        {
            DomainRecord record;
            lock (_gate) record = _record;
            DeviceConfig[] devices = [.. _machine.Devices.Where(d => !d.IsLeaving).Select(d => d.Config)];
            return _config with { Name = record.Name, Uuid = record.Uuid, Machine = _config.Machine.WithDevices(devices) };
        }
    }

    internal void SetPaused(bool isPaused)
    {
        GuestMachine machine = Machine;
        lock (_gate)
        {
            if (_record.State == (isPaused ? DomainState.Paused : DomainState.Running)) return;
            if (isPaused) machine.Pause();
            else machine.Resume();
            Write(record => record with { State = isPaused ? DomainState.Paused : DomainState.Running });
        }

        Events.Raise(isPaused ? DomainEventKind.Paused : DomainEventKind.Running, isPaused ? "the guest is paused" : "the guest goes on");
    }

    internal void Rename(string name)
    {
        if (ConfigValidator.Validate(_config.Machine with { Name = name }, hasTerminal: false).FirstOrDefault(e => e.Path == "name") is { } error)
            throw new RpcException(RpcErrorCode.InvalidParameters, error.ToString());
        try
        {
            lock (_gate)
            {
                _registry.Rename(Folder, name);
                _record = _record with { Name = name };
            }
        }
        catch (DomainException e)
        {
            throw new RpcException(RpcErrorCode.WrongState, e.Message);
        }

        Events.Raise(DomainEventKind.Renamed, $"the domain's name is '{name}'");
    }

    private GuestMachine NewMachine(SnapshotReader? saved, Action<double>? progress)
    {
        MachineConfig config = DomainConsoles.Place(_config.Machine, Folder);
        GuestMachine machine = new(config, new MachineHost(_loop, _log.Write, () => { })
        {
            GoesOn = GoesOn,
            Trouble = OnTrouble,
            TapsConsoles = true,
            Executable = _options.Executable,
            Domain = new DomainIdentity(Folder.Id, _record.Name, _record.Uuid) { NetworkFolder = _registry.NetworkFolder },
        }, saved, progress);
        for (int i = 0; i < Math.Min(_config.VcpuAffinity.Length, _config.Machine.Vcpus); i++)
        {
            if (!_config.VcpuAffinity[i].IsEmpty) Pin(machine, i, _config.VcpuAffinity[i]);
        }

        machine.DeviceModelChanged += () => OnDeviceModel(machine);
        OnDeviceModel(machine);
        machine.DeviceAdded += id => Events.Raise(DomainEventKind.DeviceAdded, $"device '{id}' is there", id);
        machine.DeviceRemoved += id => Events.Raise(DomainEventKind.DeviceRemoved, $"device '{id}' is gone", id);
        return machine;
    }

    private static void Pin(GuestMachine machine, int index, IReadOnlyList<int> cpus)
    {
        try
        {
            machine.PinVcpu(index, cpus);
        }
        catch
        {
            machine.Dispose();
            throw;
        }
    }

    private void OnTrouble(DeviceTrouble trouble)
        => Events.Raise(trouble.IsStorage ? DomainEventKind.DiskError : DomainEventKind.DeviceFailed, trouble.Message, trouble.Device, disk: trouble.Failure);

    /// <summary>Writes down which process serves the devices, for whoever looks after this one was killed.</summary>
    private void OnDeviceModel(GuestMachine machine)
    {
        DeviceModelInfo? model = machine.DeviceModel;
        OtherProcess? process = model is null ? null : OtherProcess.Find(model.ProcessId);
        bool isNew;
        try
        {
            lock (_gate)
            {
                isNew = process is not null && _record.DeviceModel is { } before && before != process;
                if (_record.DeviceModel != process) Write(record => record with { DeviceModel = process });
            }
        }
        catch (DomainException e)
        {
            _log.Write(e.Message);
            return;
        }

        if (isNew) Events.Raise(DomainEventKind.DeviceModelStarted, $"the device model had died and was started again, as process {process!.Id}");
    }

    private void Write(Func<DomainRecord, DomainRecord> change)
    {
        lock (_gate)
        {
            _record = change(_record);
            Folder.Write(_record);
        }
    }
}
