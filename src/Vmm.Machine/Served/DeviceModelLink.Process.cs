using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using Vmm.DeviceModel;
using Vmm.Host;
using Vmm.Host.Net;
using Vmm.Host.Processes;
using Vmm.Host.Sandbox;
using Vmm.Machine.Config;
using Vmm.Machine.Devices;

namespace Vmm.Machine.Served;

/// <content>The process: started, told, heard, and started again.</content>
internal sealed partial class DeviceModelLink
{
    private const int MostNotes = 500, MostComplaints = 100, FirstDelayMs = 10, LastDelayMs = 5000;

    private static readonly TimeSpan ShortLife = TimeSpan.FromMilliseconds(500);

    private Incarnation? _process;
    private Thread? _supervisor;
    private int _starts, _shortLives;

    /// <summary>The process has another number. Raised without locks, on a thread of this object.</summary>
    public event Action? Changed;

    /// <summary>The process; null while there is none.</summary>
    public DeviceModelInfo? Info
    {
        get
        {
            Incarnation? process;
            int starts;
            lock (_gate) (process, starts) = (_process, _starts);
            if (process is null) return null;
            int id = process.Process.Id;
            return new(id, starts, OtherProcess.Find(id)?.CpuTime ?? TimeSpan.Zero);
        }
    }

    private sealed class Incarnation(DeviceModelProcess process)
    {
        private readonly NoteRate _notes = new(MostNotes), _complaints = new(MostComplaints);

        public DeviceModelProcess Process => process;

        /// <summary>What it has confined itself to; null for nothing.</summary>
        public SandboxPolicy? Policy { get; init; }

        /// <summary>It was ended for one with another policy.</summary>
        public bool IsReplaced { get; set; }

        public ControlPeer Peer { get; } = new(process.Channel);

        public long Started { get; } = Stopwatch.GetTimestamp();

        /// <summary>Whether one more line of it is shown: what serves a hostile guest may say anything.</summary>
        public bool MaySpeak() => _notes.TryTake(out _);

        /// <summary>Whether one more trouble of it is told.</summary>
        public bool MayComplain() => _complaints.TryTake(out _);
    }

    // Under the gate.
    private void Start()
    {
        if (_supervisor is not null) return;
        ThrowIfOver();
        StartProcess();
        _supervisor = new Thread(Supervise) { Name = "device model", IsBackground = true };
        _supervisor.Start();
    }

    // Under the gate.
    private void StartProcess()
    {
        DeviceConfig[] devices = [.. _devices.Values.Select(device => device.Machine.Devices.Single()).Concat(_expected).DistinctBy(device => device.Id)];
        _process = new Incarnation(new DeviceModelProcess(_host.Executable, _host.Loop, line => _host.Note($"device model: {line}")))
        {
            Policy = _machine.Unconfined ? null : DeviceModelPolicy.For(devices),
        };
        if (!_machine.Unconfined) _process.Peer.Tell(new() { Verb = ControlVerb.Confine, Machine = ServedDevice.Slim(_machine, devices) });
        _starts++;
        Monitor.PulseAll(_gate);
    }

    /// <summary>Has a process for a device that the one which is there could not serve: that one is ended, and all begin anew. Under the gate.</summary>
    private void Fit(DeviceConfig device)
    {
        if (_process is not { Policy: { } policy } process || policy.Covers(DeviceModelPolicy.For([device]))) return;
        _expected = [.. _expected, device];
        process.IsReplaced = true;
        process.Process.Kill();
        _process = null;
    }

    // Under the gate, which is let go meanwhile.
    private void WaitForProcess()
    {
        long end = Environment.TickCount64 + (long)ConnectPatience.TotalMilliseconds;
        while (_process is null && !_isDisposed)
        {
            int left = (int)(end - Environment.TickCount64);
            if (left <= 0 || !Monitor.Wait(_gate, left)) throw new LinuxException("the device model has ended and cannot be started again");
        }

        ThrowIfOver();
    }

    private void ThrowIfOver()
    {
        if (_isDisposed) throw new DeviceException("the machine has ended");
    }

    private void Supervise()
    {
        while (true)
        {
            Incarnation? process;
            lock (_gate) process = _process;
            Changed?.Invoke();
            process?.Peer.Receive((message, files) => Handle(process, message, files));
            lock (_gate)
            {
                _process = null;
                foreach (ServedDevice device in _devices.Values) device.Lose();
            }

            // The machine's end leaves it time to flush; by itself it should not have ended.
            if (process is not null) Bury(process);
            if (!TryStartAgain(process)) return;
        }
    }

    private void Bury(Incarnation process)
    {
        string end = process.Process.WaitForEnd();
        bool isExpected;
        lock (_gate) isExpected = _isDisposed;
        if (!isExpected && !process.IsReplaced) _host.Note($"the device model (process {process.Process.Id}) has ended with {end}; it is started again");
        process.Process.Dispose();
    }

    /// <summary>False at the machine's end.</summary>
    private bool TryStartAgain(Incarnation? before)
    {
        lock (_gate)
        {
            bool wasShort = before is null || Stopwatch.GetElapsedTime(before.Started) < ShortLife;
            _shortLives = wasShort ? _shortLives + 1 : 0;
            // One that dies again and again is not started without a pause.
            int delay = _shortLives <= 1 ? 0 : Math.Min(FirstDelayMs << Math.Min(_shortLives, 10), LastDelayMs);
            for (long end = Environment.TickCount64 + delay; !_isDisposed && Environment.TickCount64 < end;) Monitor.Wait(_gate, (int)Math.Max(1, end - Environment.TickCount64));
            if (_isDisposed) return false;
            try
            {
                StartProcess();
                foreach (ServedDevice device in _devices.Values) Begin(device);
                _process!.Peer.Tell(new() { Verb = ControlVerb.Complete });
            }
            catch (LinuxException e)
            {
                // The host is short of something; it is tried again.
                _process?.Process.Kill();
                _host.Note($"the device model cannot be started again: {e.Message}");
            }

            return true;
        }
    }

    /// <summary>Has the process that is there now serve a device. Under the gate.</summary>
    private void Begin(ServedDevice device)
    {
        _devices[device.Id] = device;
        _expected = [.. _expected.Where(expected => expected.Id != device.Id)];
        if (_process is not { } process) return;
        (UnixChannel ours, UnixChannel theirs) = UnixChannel.Pair();
        using (theirs)
        {
            device.Lose();
            device.Waiting = ours;
            foreach (TapQueue[] queues in (device.Tap?.Queues ?? []).Chunk(UnixChannel.MostDescriptors))
            {
                // The one before may have left some of them unused, and those could not be told from no TAP device at all.
                foreach (TapQueue queue in queues) queue.TryEnable(true);
                process.Peer.Tell(new() { Verb = ControlVerb.Files, Device = device.Id }, [.. queues.Select(queue => queue.Fd)]);
            }

            device.Adding = process.Peer.Ask(new()
            {
                Verb = ControlVerb.Add,
                Device = device.Id,
                Machine = device.Machine,
                Settings = device.Settings,
                LinkMtu = device.Tap?.LinkMtu,
                GuestMtu = device.Tap?.GuestMtu ?? 0,
            }, theirs.Fd);
        }

        // Older than what it keeps for a successor, which comes after it.
        if (device.State is { } state) process.Peer.Ask(RequestToRestore(device.Id, state));
        if (device.Capture is { } capture) BeginCapture(device, capture);
    }

    private void BeginCapture(ServedDevice device, ServedCapture capture)
    {
        bool isAgain = device.IsCaptureBegun;
        try
        {
            using SafeFileHandle file = OpenCapture(device.Id, capture, isAgain);
            device.IsCaptureBegun = true;
            AskToRecord(device, capture, file);
        }
        catch (LinuxException e) when (isAgain)
        {
            _host.Note(e.Message);
        }
    }

    /// <summary>A connection to the back end of a device; null where there can be none now. On the thread of its front end.</summary>
    private UnixChannel? TryConnect(ServedDevice device)
    {
        Incarnation process;
        Task<ControlAnswer?> asked;
        UnixChannel ours;
        lock (_gate)
        {
            if (device.Waiting is { } waiting)
            {
                device.Waiting = null;
                return waiting;
            }

            if (_isDisposed || _process is null || !_devices.ContainsKey(device.Id) || device.Adding is not { } adding || !adding.IsCompleted) return null;
            process = _process;
            if (adding.Result?.Message.Problem != ControlProblem.None)
            {
                // What it lacked may be there by now.
                Begin(device);
                return null;
            }

            (ours, UnixChannel theirs) = UnixChannel.Pair();
            using (theirs) asked = process.Peer.Ask(new() { Verb = ControlVerb.Connect, Device = device.Id }, theirs.Fd);
        }

        if (asked.Wait(ConnectPatience) && asked.Result?.Message.Problem == ControlProblem.None) return ours;
        ours.Dispose();
        // One that hears nothing any more is of no use to the others, either.
        if (!asked.IsCompleted) process.Process.Kill();
        return null;
    }

    // On the supervisor's thread.
    private void Handle(Incarnation process, ControlMessage message, List<LinuxFile> files)
    {
        ControlPeer.Close(files);
        ServedDevice? device;
        lock (_gate) _ = _devices.TryGetValue(message.Device ?? "", out device);
        string text = message.Text ?? "";
        switch (message.Verb)
        {
            case ControlVerb.Note when process.MaySpeak():
                _host.Note(text);
                break;
            case ControlVerb.Trouble when device is not null && process.MayComplain():
                _host.Trouble?.Invoke(new DeviceTrouble(device.Id, message.IsStorage, text, message.Failure is { } failure && Enum.IsDefined(failure.Operation) ? failure : null));
                break;
            case ControlVerb.Broken:
                device?.FrontEnd?.Break(message.Queue, text);
                break;
            case ControlVerb.Open when device is not null:
                ThreadPool.UnsafeQueueUserWorkItem(_ => process.Peer.Answer(message, () => (null, OpenImage(device.Config, message, text))), null);
                break;
            default:
                // Nothing that is done without end.
                break;
        }
    }

    /// <summary>Opens what an image of a disk is made of: the file that was named, and what that one names where this is allowed.</summary>
    private static LinuxFile OpenImage(DeviceConfig device, ControlMessage message, string path)
    {
        if (device is not DiskConfig disk || !MayOpen(disk, path, message.IsReadOnly)) throw new LinuxException($"{path} is none of {device.Id}'s files");
        return BlockFile.OpenDescriptor(path, message.IsReadOnly, message.IsDirect);
    }

    internal static bool MayOpen(DiskConfig disk, string path, bool isReadOnly)
    {
        if (path.Length == 0 || path.Contains('\0', StringComparison.Ordinal)) return false;
        if (path == disk.Path) return isReadOnly || !disk.ReadOnly;
        if (!disk.AllowBacking) return false;
        // The parts of an image that is in several files lie beside it; all else that an image can name lies below it, and is only read.
        return isReadOnly || (disk.Format == "vmdk" && !disk.ReadOnly && Path.GetDirectoryName(path) == Path.GetDirectoryName(disk.Path));
    }
}
