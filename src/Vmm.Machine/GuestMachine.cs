using Vmm.Core.Hypervisor;
using Vmm.Core.Memory;
using Vmm.Core.State;
using Vmm.Firmware.Boot;
using Vmm.Host;
using Vmm.Machine.Build;
using Vmm.Machine.Config;
using Vmm.Machine.Devices;
using Vmm.Machine.Served;
using Vmm.Machine.Snapshot;

namespace Vmm.Machine;

/// <summary>
/// A machine from its configuration to its end. It owns what outlives a reset (memory, the host ends of serial ports, the CPU's host
/// side); a <see cref="Board"/> is one life of it.
/// </summary>
/// <remarks>
/// <see cref="Run"/> belongs to one thread; the other members may be called from any. Lock order: the lock of who looks, the life-cycle lock here, then the
/// board's and the vCPU threads' own.
/// </remarks>
public sealed partial class GuestMachine : IDisposable
{
    private readonly Lock _life = new();
    private readonly MachineConfig _config;
    private readonly MachineHost _host;
    private readonly BootLoader _loader;
    private readonly ICpuPlatform _platform;
    private readonly MappedMemory _memory;
    private readonly SerialBackends _serial;
    private readonly DeviceModelLink _deviceModel;
    private readonly Attachments _attachments;
    private readonly List<IDisposable> _owned = [];
    private Board? _board;
    private MachineOutcome? _stop;
    private VcpuState[]? _lastVcpus;
    private bool _paused;
    private bool _isLive;
    private bool _isRestored;
    private int _boots;
    private long _earlierNs, _lastLifeNs;
    private ulong _instructions;

    /// <summary>Gets everything that the host must give; the guest does not run yet.</summary>
    /// <param name="config">A configuration without errors, see <see cref="ConfigValidator"/>.</param>
    /// <param name="host">The process around it.</param>
    /// <param name="saved">A machine of this configuration that goes on; null for one that begins. Not used any more afterwards.</param>
    /// <param name="progress">Told which part of the saved memory is there.</param>
    /// <exception cref="BootException">A file cannot be started.</exception>
    /// <exception cref="HypervisorException">The CPU cannot be had.</exception>
    /// <exception cref="LinuxException">The host refused memory, a serial port or something that a device needs.</exception>
    /// <exception cref="Storage.ImageException">A disk's image cannot be used.</exception>
    /// <exception cref="StateException">What was saved is broken, or is not of this configuration.</exception>
    public GuestMachine(MachineConfig config, MachineHost host, SnapshotReader? saved = null, Action<double>? progress = null)
    {
        _config = config;
        _host = host;
        try
        {
            // First, because it is another process, which has time to begin.
            _deviceModel = Own(new DeviceModelLink(config, host));
            _deviceModel.Prepare(config.Devices);
            _loader = Own(new BootLoader(new BootOptions
            {
                KernelPath = config.Boot.Kernel,
                InitrdPath = config.Boot.Initrd,
                CommandLine = config.Boot.CommandLine,
                Protocol = config.Boot.Protocol,
                UnpackOnHost = config.Boot.Unpack,
            }));
            CheckMemory(config.MemoryBytes);
            if (saved is not null) SavedDevices.CheckMachine(saved, config);
            _platform = Own(CpuPlatforms.Create(config, saved, host.Note));
            foreach (string warning in _platform.Warnings) host.Note(warning);
            _memory = Own(new MappedMemory(config.MemoryBytes));
            saved?.ReadMemory(_memory, progress);
            _attachments = Own(new Attachments(config, host, _deviceModel, saved));
            // The terminal last, because it changes how errors must be printed.
            _serial = Own(new SerialBackends(config, host));
            _board = Build(saved);
            _isRestored = saved is not null;
            _boots = saved?.Manifest.Boots ?? 0;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>"kvm" or "software".</summary>
    public string CpuName => _platform.Name;

    /// <summary>The process that serves disks and network devices; null where this one does.</summary>
    public DeviceModelInfo? DeviceModel => _deviceModel.Info;

    /// <summary><see cref="DeviceModel"/> has changed: the process is there, for the first time or again. Raised without locks, on any thread.</summary>
    public event Action? DeviceModelChanged
    {
        add => _deviceModel.Changed += value;
        remove => _deviceModel.Changed -= value;
    }

    /// <summary>Machine time since the guest's last start.</summary>
    public TimeSpan LifeTime
    {
        get
        {
            lock (_life) return TimeSpan.FromTicks((_board?.Clock.NowNs ?? _lastLifeNs) / 100);
        }
    }

    /// <summary>What it has done so far; instructions are counted in at the end of each life.</summary>
    public MachineStatistics Statistics
    {
        get
        {
            // It may be another process that is looked at.
            TimeSpan? deviceModel = _deviceModel.Info?.CpuTime;
            lock (_life)
            {
                long ns = _earlierNs + (_board?.Clock.NowNs ?? 0);
                return new MachineStatistics(TimeSpan.FromTicks(ns / 100), Environment.CpuUsage.TotalTime, _platform.Name, _instructions, _boots, deviceModel);
            }
        }
    }

    /// <summary>Runs the guest to its end, through as many resets as it makes. Once only.</summary>
    /// <exception cref="BootException">A file cannot be started any more after a reset.</exception>
    /// <exception cref="HypervisorException">The host refused something at a reset.</exception>
    public MachineOutcome Run()
    {
        while (true)
        {
            Board board = Start();
            MachineOutcome outcome = board.WaitForEnd();
            lock (_life) StandStill(board);
            bool goesOn = Volatile.Read(ref _stop) is null && GoesOn(outcome);
            string[] gone;
            lock (_looking)
                lock (_life)
                {
                    _board = null;
                    Account(board);
                    board.Dispose();
                    if (!goesOn || _stop is not null) return _stop ?? outcome;
                    gone = DropLeaving();
                    _memory.Discard();
                    _lastVcpus = null;
                    _board = Build();
                }

            Report(gone);
        }
    }

    /// <summary>Ends the guest as if its plug were pulled. Any thread, also before <see cref="Run"/>.</summary>
    /// <param name="why">One line for the outcome.</param>
    public void Stop(string why)
    {
        MachineOutcome stop = new(MachineEnd.Stopped, why);
        // Not under the life-cycle lock: that one may be waiting for the event loop, on which this may be called.
        Volatile.Write(ref _stop, stop);
        Volatile.Read(ref _board)?.End(stop);
    }

    /// <summary>Presses the power button: the guest gets an ACPI event and decides. Nothing happens when it does not listen, or has ended.</summary>
    /// <returns>Whether it listens.</returns>
    public bool PressPowerButton()
    {
        lock (_life)
        {
            if (_board?.Acpi is not { } acpi) return false;
            acpi.PressPowerButton();
            return acpi.HearsPowerButton;
        }
    }

    /// <summary>Resets the guest as the reset button of a PC does.</summary>
    /// <param name="why">One line for the outcome.</param>
    public void Reset(string why)
    {
        lock (_life) _board?.End(new MachineOutcome(MachineEnd.Reset, why));
    }

    /// <summary>Stops the guest and its time. When this returns, nothing in the machine changes any more.</summary>
    public void Pause()
    {
        lock (_life)
        {
            if (_paused) return;
            _paused = true;
            if (_isLive && _holds == 0) _board?.Pause();
        }
    }

    /// <summary>Lets a paused guest go on.</summary>
    public void Resume()
    {
        lock (_life)
        {
            if (!_paused) return;
            _paused = false;
            if (_isLive && _holds == 0) _board?.Resume();
        }
    }

    /// <summary>The state of every vCPU, in order of the index. The machine is paused for it.</summary>
    /// <exception cref="HypervisorException">A vCPU could not be read, or the machine has ended.</exception>
    public VcpuState[] CaptureVcpus()
    {
        lock (_life)
        {
            if (_board is null) throw new HypervisorException("the machine has ended");
            bool runs = !_paused && _isLive && _holds == 0;
            if (runs) _board.Pause();
            try
            {
                return _board.CaptureVcpus();
            }
            finally
            {
                if (runs) _board.Resume();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_looking)
            lock (_life)
            {
                _board?.Dispose();
                _board = null;
            }

        for (int i = _owned.Count - 1; i >= 0; i--) _owned[i].Dispose();
        _owned.Clear();
    }

    private bool GoesOn(MachineOutcome outcome)
        => _host.GoesOn?.Invoke(outcome) ?? (outcome.End == MachineEnd.Reset && _config.OnReboot == RebootPolicy.Restart);

    /// <summary>At the end of a life: what the guest was doing is kept for who wants to know. Under the life-cycle lock.</summary>
    private void StandStill(Board board)
    {
        _isLive = false;
        board.Pause();
        try
        {
            _lastVcpus = board.CaptureVcpus();
        }
        catch (HypervisorException e)
        {
            _host.Note($"the state of the vCPUs is lost: {e.Message}");
        }
    }

    private void Account(Board board)
    {
        _lastLifeNs = board.Clock.NowNs;
        _earlierNs += _lastLifeNs;
        foreach (VcpuThread vcpu in board.Vcpus)
        {
            vcpu.Execute(v => _instructions += _platform.CountInstructions(v));
        }
    }

    private static void CheckMemory(ulong bytes)
    {
        if (HostFacts.MemoryAndSwapBytes is { } most && bytes > most)
            throw new LinuxException($"memory: {SizeText.Format(bytes)} is more than this host's {most >> 20}M of RAM and swap together");
    }

    private T Own<T>(T item) where T : IDisposable
    {
        _owned.Add(item);
        return item;
    }

    private Board Build(SnapshotReader? saved = null)
    {
        HostClock clock = new(_host.Loop, _host.Note, startPaused: true, saved is null ? 0 : _platform.ClockNs(saved.Manifest), saved?.WallClock);
        Board board = new(new GuestMemory([.. _memory.RamRegions(), .. _attachments.Memory], _memory), clock, _host.Loop)
        {
            Trouble = (device, why) => _host.Trouble?.Invoke(new DeviceTrouble(device, IsStorage: false, why)),
        };
        try
        {
            BoardBuilder.Build(board, _config, _platform, _serial, _attachments, OnEjected, _loader, _host.Note, isFirst: _boots == 0, saved);
            return board;
        }
        catch
        {
            board.Dispose();
            throw;
        }
    }

    private Board Start()
    {
        lock (_life)
        {
            Board board = _board!;
            if (!_isRestored) _boots++;
            _isLive = true;
            PinAgain(board);
            if (!_paused && _holds == 0) board.Resume();
            if (Volatile.Read(ref _stop) is { } stop) board.End(stop);
            if (_isRestored) Announce();
            return board;
        }
    }
}
