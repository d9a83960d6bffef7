using Vmm.DeviceModel.VhostUser.Server;
using Vmm.Host;
using Vmm.Machine.Config;
using Vmm.Machine.Devices;
using Vmm.Machine.Served;

namespace Vmm.Machine;

/// <summary>
/// Serves devices of machines that are in other processes, whoever they are: what a machine would do with the same configuration, each behind a
/// socket. Any thread.
/// </summary>
public sealed class DeviceModelHost : IDisposable
{
    private readonly List<ServedBackEnd> _devices = [];
    private readonly ManualResetEventSlim _ended = new();
    private readonly ServedRoom _room;
    private readonly MachineConfig _config;
    private readonly MachineHost _host;
    private int _connected;

    /// <param name="config">The machine; of its devices those are served that are added here.</param>
    /// <param name="host">The process.</param>
    public DeviceModelHost(MachineConfig config, MachineHost host)
    {
        (_config, _host) = (config, host);
        _room = new ServedRoom(host);
    }

    /// <summary>The options of the kinds that can be served.</summary>
    public static IReadOnlyList<string> Kinds { get; } = ["disk", "net", "rng", "share", "vsock"];

    /// <summary>Whether a device can be served.</summary>
    public static bool CanServe(DeviceConfig device) => device is DiskConfig or NetConfig or RngConfig or ShareConfig or VsockConfig;

    /// <summary>Serves a device to whoever connects to a socket.</summary>
    /// <exception cref="LinuxException">The host refused the socket, or something that the device needs.</exception>
    /// <exception cref="Storage.ImageException">A disk's image cannot be used.</exception>
    public void Listen(DeviceConfig device, string path)
        => _devices.Add(new ServedBackEnd(Open(device), _room, (virtio, state) => new VhostUserServer(virtio, new UnixListener(path), _host.Loop, NoteOf(device), state)));

    /// <summary>Serves a device on a connection that is there.</summary>
    /// <exception cref="LinuxException">The host refused something that the device needs.</exception>
    /// <exception cref="Storage.ImageException">A disk's image cannot be used.</exception>
    public void Serve(DeviceConfig device, UnixChannel connection)
    {
        Interlocked.Increment(ref _connected);
        _devices.Add(new ServedBackEnd(Open(device), _room, (virtio, state) => new VhostUserServer(virtio, connection, _host.Loop, NoteOf(device), Ended, state)));
    }

    /// <summary>Waits until all connections that were there have ended, or somebody calls <see cref="Stop"/>.</summary>
    public void Wait() => _ended.Wait();

    /// <summary>Has <see cref="Wait"/> return.</summary>
    public void Stop() => _ended.Set();

    /// <inheritdoc/>
    public void Dispose()
    {
        for (int i = _devices.Count - 1; i >= 0; i--) _devices[i].Dispose();
        _devices.Clear();
        _room.Dispose();
    }

    private IAttachment Open(DeviceConfig device) => Attachments.OpenHere(device, _config, _host);

    private Action<string> NoteOf(DeviceConfig device) => line => _host.Note($"{device.Id}: {line}");

    private void Ended()
    {
        if (Interlocked.Decrement(ref _connected) == 0) _ended.Set();
    }
}
