using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Vmm.Core.State;
using Vmm.Host;
using Vmm.Machine.Config;
using Vmm.Machine.Devices;
using Vmm.Network.Capture;

namespace Vmm.Machine.Served;

/// <summary>
/// A machine's device model: one process for all of its disks and network devices that are not served here, also for those that come later. When
/// it dies it is started again and told all that it must know. Thread-safe; takes none of the machine's locks, and may wait for the process.
/// </summary>
internal sealed partial class DeviceModelLink : IDisposable
{
    // An image may be slow to open or to let go, but the machine does not wait for ever.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30), LookPatience = TimeSpan.FromSeconds(2), ConnectPatience = TimeSpan.FromSeconds(10);

    private readonly object _gate = new();
    private readonly Dictionary<string, ServedDevice> _devices = [];
    private readonly HashSet<string> _prepared = [];
    private readonly MachineConfig _machine;
    private readonly MachineHost _host;
    private bool _isDisposed;

    // Devices that will come, and for which a process is made ready.
    private DeviceConfig[] _expected = [];

    public DeviceModelLink(MachineConfig machine, MachineHost host) => (_machine, _host) = (machine, host);

    /// <summary>Whether the device model is to serve a device.</summary>
    public bool Serves(DeviceConfig device) => device switch
    {
        // A layer for throw-away writes is gone with the process that has it.
        DiskConfig disk => disk.Process ?? (_machine.DeviceModel && !disk.Snapshot),
        NetConfig net => net.Process ?? _machine.DeviceModel,
        _ => false,
    };

    /// <summary>Has the process start, and begin with what it can begin alone, while this one has other things to do.</summary>
    /// <exception cref="LinuxException">It cannot be started.</exception>
    public void Prepare(IEnumerable<DeviceConfig> devices)
    {
        DeviceConfig[] served = [.. devices.Where(Serves)];
        if (served.Length == 0) return;
        lock (_gate)
        {
            _expected = [.. served.Select(device => ServedDevice.Needs(device, _host))];
            Start();
            foreach (DeviceConfig device in served.Where(device => device is DiskConfig))
            {
                Begin(new ServedDevice(device, _machine));
                _prepared.Add(device.Id);
            }
        }
    }

    /// <summary>All devices are there that are there from the beginning.</summary>
    public void Complete()
    {
        lock (_gate)
        {
            _expected = [];
            _process?.Peer.Tell(new() { Verb = ControlVerb.Complete });
        }
    }

    /// <summary>Has a device served.</summary>
    /// <exception cref="LinuxException">The host refused something that it needs, or the process does not answer.</exception>
    /// <exception cref="Storage.ImageException">A disk's image cannot be used.</exception>
    public IAttachment Open(DeviceConfig config)
    {
        OpenedTap? tap = config is NetConfig net ? OpenedTap.TryOpen(net, NetAttachment.MacOf(net, _machine.Name), _host, new BoundedNotes(config.Id, _host.Note).Write) : null;
        ServedDevice? device = null;
        try
        {
            Task<ControlAnswer?> adding;
            lock (_gate)
            {
                Start();
                Fit(ServedDevice.Needs(config, _host));
                WaitForProcess();
                if (_prepared.Remove(config.Id)) device = _devices[config.Id];
                else if (_devices.ContainsKey(config.Id)) throw new DeviceException($"'{config.Id}' is another device's id");
                else Begin(device = new ServedDevice(config, _machine, tap));
                adding = device.Adding ?? throw Gone(config.Id);
            }

            ControlMessage? added = Finish(config.Id, adding, Patience);
            VhostUserAttachment frontEnd = VhostUserAttachment.Open(config, () => TryConnect(device), _machine, _host);
            lock (_gate)
            {
                device.FrontEnd = frontEnd;
                // So that its size is known also while another process begins.
                device.Last ??= added?.Reports?.FirstOrDefault(report => report?.Device == config.Id);
            }

            return config is NetConfig nic ? new ServedNet(this, device, NetAttachment.MacOf(nic, _machine.Name), frontEnd) : new ServedDisk(this, device, frontEnd);
        }
        catch
        {
            if (device is not null) Remove(device);
            ServedNet.Release(tap);
            throw;
        }
    }

    /// <summary>Has the process let a device go; when this returns, what the host gave for it is free.</summary>
    public void Remove(ServedDevice device)
    {
        Task<ControlAnswer?>? removing;
        Incarnation? process;
        lock (_gate)
        {
            _devices.Remove(device.Id);
            process = _process;
            removing = device.Adding is null ? null : process?.Peer.Ask(new() { Verb = ControlVerb.Remove, Device = device.Id });
            device.Lose();
        }

        if (removing is null || removing.Wait(Patience)) return;
        _host.Note($"{device.Id}: the device model does not let it go and is ended");
        process!.Process.Kill();
    }

    /// <summary>Looks at a device as it was known last.</summary>
    public T Read<T>(ServedDevice device, Func<ServedDevice, T> look)
    {
        lock (_gate) return look(device);
    }

    /// <summary>Asks how all devices stand. What is not answered stays as it was.</summary>
    public void Look()
    {
        Task<ControlAnswer?>? asked;
        Incarnation? process;
        lock (_gate) asked = (process = _process)?.Peer.Ask(new() { Verb = ControlVerb.Report });
        if (asked is null || !asked.Wait(LookPatience) || asked.Result?.Message.Reports is not { } reports) return;
        lock (_gate)
        {
            if (_process != process) return;
            foreach (ServedReport report in reports)
            {
                if (report?.Device is { } id && _devices.TryGetValue(id, out ServedDevice? device)) device.Last = report;
            }
        }
    }

    /// <summary>Changes something, at once if the process is there, else as soon as it is.</summary>
    public void Set(ServedDevice device, Func<ServedSettings, ServedSettings> change)
    {
        Task<ControlAnswer?>? asked;
        lock (_gate)
        {
            device.Settings = change(device.Settings);
            asked = device.Adding is null ? null : _process?.Peer.Ask(new() { Verb = ControlVerb.Set, Device = device.Id, Settings = device.Settings });
        }

        // A process that died meanwhile is followed by one that is told.
        if (asked is not null) Finish(device.Id, asked, Patience, mayDie: true);
    }

    /// <summary>Has the process do something that does not matter where there is none.</summary>
    public void Hint(ServedDevice device, ControlVerb verb)
    {
        lock (_gate) _ = device.Adding is null ? null : _process?.Peer.Ask(new() { Verb = verb, Device = device.Id });
    }

    /// <summary>The state of a device that stands still.</summary>
    /// <exception cref="StateException">It cannot be had.</exception>
    public byte[] SaveState(ServedDevice device)
    {
        try
        {
            return Encoding.UTF8.GetBytes(Demand(device, new() { Verb = ControlVerb.Save, Device = device.Id }).Text ?? "");
        }
        catch (Exception e) when (e is LinuxException or DeviceException)
        {
            throw new StateException(e.Message, e);
        }
    }

    /// <summary>Has a device begin with a state, before its driver is there; also in a process that comes later.</summary>
    /// <exception cref="StateException">It makes no sense.</exception>
    public void RestoreState(ServedDevice device, byte[] state)
    {
        try
        {
            lock (_gate) device.State = state;
            Demand(device, RequestToRestore(device.Id, state));
        }
        catch (Exception e) when (e is LinuxException or DeviceException)
        {
            throw new StateException(e.Message, e);
        }
    }

    /// <summary>What a process that comes later begins with is what the device is now, where it once began with a state.</summary>
    public void RenewState(ServedDevice device)
    {
        lock (_gate)
        {
            if (device.State is null) return;
        }

        byte[] state = SaveState(device);
        lock (_gate) device.State = state;
    }

    private static ControlMessage RequestToRestore(string id, byte[] state) => new() { Verb = ControlVerb.Restore, Device = id, Text = Encoding.UTF8.GetString(state) };

    /// <summary>Has frames recorded, or no longer.</summary>
    /// <exception cref="LinuxException">The file cannot be made.</exception>
    public void Record(ServedDevice device, ServedCapture? capture)
    {
        using SafeHandle? file = capture is null ? null : OpenCapture(device.Id, capture, isAgain: false);
        Task<ControlAnswer?>? asked;
        lock (_gate)
        {
            (device.Capture, device.IsCaptureBegun) = (capture, true);
            asked = device.Adding is null ? null : AskToRecord(device, capture, file);
        }

        if (asked is not null) Finish(device.Id, asked, Patience, mayDie: true);
    }

    /// <summary>Has the process do something.</summary>
    /// <exception cref="LinuxException">The host refused, or the process does not answer.</exception>
    /// <exception cref="Storage.ImageException">An image cannot do it.</exception>
    /// <exception cref="DeviceException">The device is gone.</exception>
    public ControlMessage Demand(ServedDevice device, ControlMessage request)
    {
        Task<ControlAnswer?> asked;
        lock (_gate)
        {
            WaitForProcess();
            if (!_devices.ContainsKey(device.Id)) throw new DeviceException($"'{device.Id}' is gone");
            asked = _process!.Peer.Ask(request);
        }

        return Finish(device.Id, asked, Patience) ?? throw Gone(device.Id);
    }

    /// <summary>Ends the process, after the devices.</summary>
    public void Dispose()
    {
        Thread? thread;
        lock (_gate)
        {
            if (_isDisposed) return;
            _isDisposed = true;
            thread = _supervisor;
            _process?.Process.Channel.Shutdown();
            foreach (ServedDevice device in _devices.Values) device.Lose();
            Monitor.PulseAll(_gate);
        }

        thread?.Join();
    }

    private Task<ControlAnswer?>? AskToRecord(ServedDevice device, ServedCapture? capture, SafeHandle? file)
    {
        ControlMessage request = new() { Verb = ControlVerb.Capture, Device = device.Id, Text = capture?.Path, SnapLength = capture?.SnapLength ?? 0 };
        return file is null ? _process?.Peer.Ask(request) : _process?.Peer.Ask(request, (int)file.DangerousGetHandle());
    }

    private static SafeFileHandle OpenCapture(string id, ServedCapture capture, bool isAgain)
    {
        try
        {
            return isAgain ? CaptureFile.Continue(capture.Path) : CaptureFile.Create(capture.Path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LinuxException($"{id}: the capture cannot be written: {e.Message}", e);
        }
    }

    private static LinuxException Gone(string id) => new($"{id}: the device model has ended, and is started again");

    private static ControlMessage? Finish(string id, Task<ControlAnswer?> asked, TimeSpan patience, bool mayDie = false)
    {
        if (!asked.Wait(patience)) throw new LinuxException($"{id}: the device model does not answer");
        if (asked.Result is { } answer) return answer.Good().Message;
        return mayDie ? null : throw Gone(id);
    }
}
