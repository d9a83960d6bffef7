using System.Text.Json;
using Vmm.Control.Rpc;
using Vmm.Machine;
using Vmm.Machine.Config;

namespace Vmm.Control.Domains;

/// <content>The devices.</content>
internal sealed partial class DomainCommands
{
    private const double MostWaitSeconds = 3600;

    public Task<IReadOnlyList<DeviceEntry>> GetDevicesAsync(CancellationToken cancellation)
        => Do<IReadOnlyList<DeviceEntry>>(() => [.. host.MachineAtAnyTime.Devices.Select(EntryOf)]);

    public Task<DeviceEntry> AddDeviceAsync(string kind, JsonElement config, CancellationToken cancellation) => Do(() =>
    {
        GuestMachine machine = host.Machine;
        DeviceConfig device = DeviceWords.Parse(Given(kind), config, machine.Devices.Select(d => d.Config.Id));
        machine.AddDevice(device);
        return EntryOf(machine.Devices.FirstOrDefault(d => d.Config.Id == device.Id) ?? throw new RpcException(RpcErrorCode.NotFound, $"device '{device.Id}' is gone already"));
    });

    public async Task<RemovalAnswer> RemoveDeviceAsync(string id, double waitSeconds, bool force, CancellationToken cancellation)
    {
        if (waitSeconds is not (>= 0 and <= MostWaitSeconds)) throw new RpcException(RpcErrorCode.InvalidParameters, $"waitSeconds is from 0 to {MostWaitSeconds}");
        GuestMachine machine = host.Machine;
        TaskCompletionSource gone = new(TaskCreationOptions.RunContinuationsAsynchronously);
        void OnRemoved(string removed)
        {
            if (removed == id) gone.TrySetResult();
        }

        machine.DeviceRemoved += OnRemoved;
        try
        {
            await Do(() =>
            {
                CheckThere(machine, Given(id));
                machine.RemoveDevice(id, force);
            }).ConfigureAwait(false);
            await gone.Task.WaitAsync(TimeSpan.FromSeconds(waitSeconds), cancellation).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // The guest takes its time.
        }
        finally
        {
            machine.DeviceRemoved -= OnRemoved;
        }

        return new RemovalAnswer(gone.Task.IsCompleted);
    }

    public Task<IReadOnlyList<DiskEntry>> GetDisksAsync(CancellationToken cancellation) => Do<IReadOnlyList<DiskEntry>>(() =>
        [.. host.MachineAtAnyTime.Disks.Select(d => new DiskEntry(d.Config.Id, d.Slot, d.Config.Path, d.Config.Format, d.SizeBytes, d.Config.ReadOnly, d.Config.Snapshot,
            d.Config.Cache, LimitSettings.Of(d.Limits), d.Statistics, d.Since, d.IsLeaving))]);

    public Task GrowDiskAsync(string id, ulong sizeBytes, CancellationToken cancellation) => Do(() => WithDisk(id).GrowDisk(id, sizeBytes));

    public Task SetDiskLimitsAsync(string id, LimitSettings limits, CancellationToken cancellation) => Do(() => WithDisk(id).SetDiskLimits(id, Given(limits).ToLimits()));

    public Task<IReadOnlyList<NetEntry>> GetNetsAsync(CancellationToken cancellation) => Do<IReadOnlyList<NetEntry>>(() =>
        [.. host.MachineAtAnyTime.Networks.Select(n => new NetEntry(n.Config.Id, n.Slot, LinkOf(n.Config.Link), n.InterfaceName, BridgeOf(n.Config.Link),
            n.Mac.ToString(), n.Mtu, n.IsLinkUp, n.Capture, LimitSettings.Of(n.ReceiveLimits), LimitSettings.Of(n.SendLimits), n.Statistics, n.Since, n.IsLeaving))]);

    public Task SetNetLinkAsync(string id, bool up, CancellationToken cancellation) => Do(() => WithNet(id).SetNetLink(id, up));

    public Task SetNetLimitsAsync(string id, LimitSettings receive, LimitSettings send, CancellationToken cancellation)
        => Do(() => WithNet(id).SetNetLimits(id, Given(receive).ToLimits(), Given(send).ToLimits()));

    public Task StartCaptureAsync(string id, string path, int? snapLength, CancellationToken cancellation) => Do(() =>
    {
        CheckPath(path);
        if (snapLength is < 1 or > Network.Capture.CaptureBackend.WholeFrames)
            throw new RpcException(RpcErrorCode.InvalidParameters, $"snapLength is from 1 to {Network.Capture.CaptureBackend.WholeFrames}");
        WithNet(id).StartCapture(id, path, snapLength ?? Network.Capture.CaptureBackend.WholeFrames);
    });

    public Task StopCaptureAsync(string id, CancellationToken cancellation) => Do(() => WithNet(id).StopCapture(id));

    private static DeviceEntry EntryOf(DeviceInfo device)
        => new(device.Config.Id, device.Kind, device.Config.Transport == VirtioTransportKind.Mmio ? "mmio" : "pci", device.Slot, device.IsLeaving);

    private static string? BridgeOf(NetLinkConfig link) => link switch
    {
        TapLinkConfig tap => tap.Bridge,
        VifLinkConfig vif => vif.Bridge,
        _ => null,
    };

    private static string LinkOf(NetLinkConfig link) => link switch
    {
        TapLinkConfig => "tap",
        VifLinkConfig => "vif",
        StreamLinkConfig => "stream",
        _ => "user",
    };

    private GuestMachine WithDisk(string id) => With<DiskConfig>(id, "disk");

    private GuestMachine WithNet(string id) => With<NetConfig>(id, "network device");

    private GuestMachine With<T>(string id, string what) where T : DeviceConfig
    {
        GuestMachine machine = host.Machine;
        CheckThere(machine, Given(id));
        return machine.Devices.Any(d => d.Config.Id == id && d.Config is T) ? machine : throw new RpcException(RpcErrorCode.NotFound, $"'{id}' is no {what}");
    }

    private static void CheckThere(GuestMachine machine, string id)
    {
        if (!machine.Devices.Any(d => d.Config.Id == id)) throw new RpcException(RpcErrorCode.NotFound, $"there is no device '{id}'");
    }

    // The domain's process is somewhere else than its client.
    private static void CheckPath(string path)
    {
        if (!Path.IsPathFullyQualified(Given(path)) || path.Contains('\0', StringComparison.Ordinal)) throw new RpcException(RpcErrorCode.InvalidParameters, $"'{path}' is not an absolute path");
    }
}
