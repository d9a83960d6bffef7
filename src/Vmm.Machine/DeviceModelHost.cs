using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Core.Time;
using Vmm.DeviceModel.VhostUser.Server;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Net;
using Vmm.Host;
using Vmm.Machine.Config;
using Vmm.Machine.Devices;

namespace Vmm.Machine;

/// <summary>
/// Serves devices of a machine that is in another process: what a machine would do with the same configuration, each behind a socket. Any
/// thread.
/// </summary>
public sealed class DeviceModelHost : IDisposable
{
    private readonly List<IDisposable> _owned = [];
    private readonly ManualResetEventSlim _ended = new();
    private readonly Room _room;
    private readonly MachineConfig _config;
    private readonly MachineHost _host;
    private int _connected;

    /// <param name="config">The machine; of its devices those are served that are added here.</param>
    /// <param name="host">The process.</param>
    public DeviceModelHost(MachineConfig config, MachineHost host)
    {
        (_config, _host) = (config, host);
        HostClock clock = new(host.Loop, host.Note, startPaused: false);
        _owned.Add(clock);
        _room = new Room(clock);
    }

    /// <summary>The options of the kinds that can be served.</summary>
    public static IReadOnlyList<string> Kinds { get; } = ["disk", "net", "rng", "share", "vsock"];

    /// <summary>Whether a device can be served.</summary>
    public static bool CanServe(DeviceConfig device) => device is DiskConfig or NetConfig or RngConfig or ShareConfig or VsockConfig;

    /// <summary>Serves a device to whoever connects to a socket.</summary>
    /// <exception cref="LinuxException">The host refused the socket, or something that the device needs.</exception>
    /// <exception cref="Storage.ImageException">A disk's image cannot be used.</exception>
    public void Listen(DeviceConfig device, string path)
    {
        IVirtioDevice virtio = Open(device);
        _owned.Add(new VhostUserServer(virtio, new UnixListener(path), _host.Loop, line => _host.Note($"{device.Id}: {line}"), state: StateOf(virtio)));
    }

    /// <summary>Serves a device on a connection that is there.</summary>
    /// <exception cref="LinuxException">The host refused something that the device needs.</exception>
    /// <exception cref="Storage.ImageException">A disk's image cannot be used.</exception>
    public void Serve(DeviceConfig device, UnixChannel connection)
    {
        Interlocked.Increment(ref _connected);
        IVirtioDevice virtio = Open(device);
        _owned.Add(new VhostUserServer(virtio, connection, _host.Loop, line => _host.Note($"{device.Id}: {line}"), Ended, StateOf(virtio)));
    }

    /// <summary>Waits until all connections that were there have ended, or somebody calls <see cref="Stop"/>.</summary>
    public void Wait() => _ended.Wait();

    /// <summary>Has <see cref="Wait"/> return.</summary>
    public void Stop() => _ended.Set();

    /// <inheritdoc/>
    public void Dispose()
    {
        for (int i = _owned.Count - 1; i >= 0; i--) _owned[i].Dispose();
        _owned.Clear();
    }

    private static ServedNetState? StateOf(IVirtioDevice device) => device is VirtioNet net ? new ServedNetState(net) : null;

    private void Ended()
    {
        if (Interlocked.Decrement(ref _connected) == 0) _ended.Set();
    }

    private IVirtioDevice Open(DeviceConfig device)
    {
        IAttachment attachment = Attachments.OpenHere(device, _config, _host);
        _owned.Add(attachment);
        IVirtioDevice virtio = attachment.Create(_room);
        if (virtio is IDisposable owned) _owned.Add(owned);
        return virtio;
    }

    private sealed class Room(IClock clock) : IDeviceRoom
    {
        // Those that can be served use what their queues lead to.
        public GuestMemory Memory { get; } = new([]);

        public IClock Clock => clock;

        public IWorkers Workers { get; } = new ThreadWorkers();
    }
}
