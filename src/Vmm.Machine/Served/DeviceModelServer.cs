using System.Collections.Concurrent;
using Vmm.DeviceModel.Control;
using Vmm.DeviceModel.VhostUser.Server;
using Vmm.Host;
using Vmm.Host.Sandbox;
using Vmm.Machine.Config;
using Vmm.Machine.Devices;

namespace Vmm.Machine.Served;

/// <summary>
/// The device model of one machine: takes devices, changes them and lets them go as the machine says on the control channel, until that ends.
/// What is asked of one device is done in order; a device that is slow does not hold up the others.
/// </summary>
public sealed class DeviceModelServer : IDisposable
{
    private const int MostFiles = 256;

    private static readonly TimeSpan OpenPatience = TimeSpan.FromSeconds(30);

    private readonly ControlChannel _channel;
    private readonly ControlPeer _peer;
    private readonly MachineHost _host;
    private readonly ServedRoom _room;
    private readonly ConcurrentDictionary<string, ServedBackEnd> _devices = new();

    private volatile bool _isConfined;

    // Only the thread that receives.
    private readonly Dictionary<string, Task> _work = [];
    private readonly Dictionary<string, List<LinuxFile>> _files = [];

    /// <param name="control">The way to the machine; becomes this object's.</param>
    /// <param name="loop">Where descriptors are watched.</param>
    public DeviceModelServer(UnixChannel control, EpollLoop loop)
    {
        _channel = new ControlChannel(control);
        _peer = new ControlPeer(_channel);
        _host = new MachineHost(loop, Note, () => { })
        {
            MayBeKilled = true,
            Trouble = trouble => _peer.Tell(new() { Verb = ControlVerb.Trouble, Device = trouble.Device, IsStorage = trouble.IsStorage, Failure = trouble.Failure, Text = trouble.Message }),
            OpenFile = OpenFile,
        };
        _room = new ServedRoom(_host);
    }

    /// <summary>Serves until the machine lets go, or <see cref="Stop"/>.</summary>
    public void Run() => _peer.Receive(Handle);

    /// <summary>Has <see cref="Run"/> return. Any thread.</summary>
    public void Stop() => _channel.Shutdown();

    /// <summary>Ends all devices: what is under way is finished, and what was written is flushed.</summary>
    public void Dispose()
    {
        _channel.Shutdown();
        Task.WaitAll(_work.Values);
        foreach (ServedBackEnd device in _devices.Values) device.Dispose();
        _devices.Clear();
        foreach (List<LinuxFile> files in _files.Values) ControlPeer.Close(files);
        _room.Dispose();
        _channel.Dispose();
    }

    /// <summary>Says a line to people.</summary>
    public void Note(string line) => _peer.Tell(new() { Verb = ControlVerb.Note, Text = line });

    private void Handle(ControlMessage message, List<LinuxFile> files)
    {
        string id = message.Device ?? "";
        switch (message.Verb)
        {
            case ControlVerb.Confine:
                ControlPeer.Close(files);
                Confine(message.Machine);
                break;
            case ControlVerb.Complete:
                ControlPeer.Close(files);
                Task.WhenAll(_work.Values).ContinueWith(_ => Complete(), TaskScheduler.Default);
                break;
            case ControlVerb.Report:
                ControlPeer.Close(files);
                _peer.Answer(message, () => (new() { Verb = ControlVerb.Answer, Reports = [.. _devices.Select(device => Look(device.Key, device.Value))] }, null));
                break;
            case ControlVerb.Files:
                if (!_files.TryGetValue(id, out List<LinuxFile>? before)) _files[id] = before = [];
                before.AddRange(files);
                if (_files.Values.Sum(list => list.Count) > MostFiles) _channel.Shutdown();
                break;
            case ControlVerb.Add:
                _files.Remove(id, out List<LinuxFile>? queues);
                Queue(message, files, () => Add(message, files, queues ?? []));
                break;
            default:
                Queue(message, files, () => Change(message, files));
                break;
        }
    }

    // Rings are made with the disks, which come later.
    private void Confine(MachineConfig? machine) => TryClose(() =>
    {
        ProcessSandbox.Enter(DeviceModelPolicy.For(machine?.Devices ?? []) with { MakesRings = true });
        _isConfined = true;
    });

    private void Complete()
    {
        if (_isConfined) TryClose(ProcessSandbox.RefuseRings);
    }

    /// <summary>One that stays open where it should be closed in serves nobody.</summary>
    private void TryClose(Action close)
    {
        try
        {
            close();
        }
        catch (LinuxException e)
        {
            Note($"{e.Message} (--sandbox off serves devices without)");
            _channel.Shutdown();
        }
    }

    /// <summary>Does something of a device after what was asked of it before.</summary>
    private void Queue(ControlMessage message, List<LinuxFile> files, Func<ControlMessage?> work)
    {
        void Do(Task? before)
        {
            _peer.Answer(message, () => (work(), null));
            ControlPeer.Close(files);
        }

        string id = message.Device ?? "";
        if (_work.Count > ConfigValidator.MostDevices) foreach (string done in _work.Where(work => work.Value.IsCompleted).Select(work => work.Key).ToArray()) _work.Remove(done);
        _work[id] = _work.TryGetValue(id, out Task? last) && !last.IsCompleted
            ? last.ContinueWith(Do, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default)
            : Task.Run(() => Do(null));
    }

    private ControlMessage? Add(ControlMessage message, List<LinuxFile> files, List<LinuxFile> queues)
    {
        try
        {
            string id = message.Device ?? "";
            if (_devices.ContainsKey(id)) throw new DeviceException($"'{id}' is there already");
            if (message.Machine is not { } machine || machine.Devices.FirstOrDefault(d => d.Id == id) is not { } device || files.Count != 1)
                throw new DeviceException($"what is to be added as '{id}' is not said");
            if (message.LinkMtu is not null && queues.Count == 0) throw new DeviceException($"the queues of '{id}' are missing");
            HandedTap? tap = message.LinkMtu is { } mtu ? new HandedTap(queues, mtu, message.GuestMtu) : null;
            ServedBackEnd served = new(device is NetConfig net ? new NetAttachment(net, machine.Name, _host, tap) : Attachments.OpenHere(device, machine, _host), _room,
                (virtio, state) => new VhostUserServer(virtio, _host.Loop, line => Note($"{id}: {line}"), state, (queue, why) => Broke(id, queue, why)));
            _devices[id] = served;
            Set(served, message.Settings);
            served.Server.Take(TakeSocket(files));
            return new() { Verb = ControlVerb.Answer, Reports = [Look(id, served)] };
        }
        finally
        {
            ControlPeer.Close(queues);
        }
    }

    private ControlMessage? Change(ControlMessage message, List<LinuxFile> files)
    {
        if (!_devices.TryGetValue(message.Device ?? "", out ServedBackEnd? device)) throw new DeviceException($"'{message.Device}' is not served");
        switch (message.Verb)
        {
            case ControlVerb.Connect when files.Count == 1:
                device.Server.Take(TakeSocket(files));
                break;
            case ControlVerb.Remove:
                _devices.TryRemove(message.Device!, out _);
                device.Dispose();
                break;
            case ControlVerb.Set:
                Set(device, message.Settings);
                break;
            case ControlVerb.Grow when device.Attachment is IDiskAttachment disk:
                disk.Grow(message.SizeBytes);
                break;
            case ControlVerb.Capture when device.Attachment is NetAttachment net:
                if (files.Count == 1) net.StartCapture(files[0], message.Text ?? "", message.SnapLength);
                else net.StopCapture();
                break;
            case ControlVerb.Announce when device.Attachment is INetAttachment net:
                net.Announce();
                break;
            case ControlVerb.Save:
                return new() { Verb = ControlVerb.Answer, Text = device.SaveState() };
            case ControlVerb.Restore:
                device.RestoreState(message.Text ?? "");
                break;
            default:
                throw new DeviceException($"'{message.Device}' cannot do {message.Verb}");
        }

        return null;
    }

    private static void Set(ServedBackEnd device, ServedSettings? settings)
    {
        if (settings is null) return;
        if (device.Attachment is IDiskAttachment disk) disk.SetLimits(settings.Limits);
        if (device.Attachment is not INetAttachment net) return;
        net.SetLimits(settings.ReceiveLimits, settings.SendLimits);
        net.SetLink(settings.IsLinkUp);
    }

    private static ServedReport Look(string id, ServedBackEnd device) => device.Attachment switch
    {
        DiskAttachment disk => new(id, SizeBytes: disk.SizeBytes, Disk: disk.Statistics),
        NetAttachment net => new(id, IsLinkUp: net.IsLinkUp, Net: net.Statistics),
        _ => new(id),
    };

    private static UnixChannel TakeSocket(List<LinuxFile> files)
    {
        UnixChannel socket = new(files[0]);
        files.Clear();
        return socket;
    }

    private void Broke(string id, int queue, string why) => _peer.Tell(new() { Verb = ControlVerb.Broken, Device = id, Queue = queue, Text = why });

    /// <summary>Has the machine open a file of an image: here nothing can be, when it is closed in.</summary>
    private LinuxFile OpenFile(string device, string path, bool isReadOnly, bool isDirect)
    {
        Task<ControlAnswer?> asked = _peer.Ask(new() { Verb = ControlVerb.Open, Device = device, Text = path, IsReadOnly = isReadOnly, IsDirect = isDirect });
        ControlAnswer answer = (asked.Wait(OpenPatience) ? asked.Result : null)?.Good() ?? throw new LinuxException($"opening {path}: the machine does not answer");
        if (answer.Files.Count == 1) return answer.Files[0];
        ControlPeer.Close(answer.Files);
        throw new LinuxException($"opening {path}: the machine sends {answer.Files.Count} files");
    }
}
