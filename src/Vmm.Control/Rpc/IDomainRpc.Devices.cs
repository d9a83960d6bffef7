using System.Text.Json;
using StreamJsonRpc;

namespace Vmm.Control.Rpc;

/// <content>The devices of the domain.</content>
public partial interface IDomainRpc
{
    /// <summary>All devices that can be added and removed.</summary>
    [JsonRpcMethod("device.list")]
    Task<IReadOnlyList<DeviceEntry>> GetDevicesAsync(CancellationToken cancellation);

    /// <summary>Adds a device; a guest that runs finds it by itself. It stays through resets.</summary>
    /// <param name="kind">"disk", "net", "rng", "balloon", "vsock", "share" or "console".</param>
    /// <param name="config">A text as behind the command-line option of that name ("path=/a.img,format=raw"), or an object with the same keys, where the first word of a network is the key "type".</param>
    [JsonRpcMethod("device.add")]
    [RpcErrors(RpcErrorCode.WrongState, RpcErrorCode.HostRefused)]
    Task<DeviceEntry> AddDeviceAsync(string kind, JsonElement config, CancellationToken cancellation);

    /// <summary>Asks the guest to let a device go. May be repeated; what the guest never lets go leaves at its next reset.</summary>
    /// <param name="id">The device.</param>
    /// <param name="waitSeconds">How long to wait for the guest.</param>
    /// <param name="force">The host takes the device away at once: what the guest still asks of it fails, until the guest lets go of it.</param>
    [JsonRpcMethod("device.remove")]
    [RpcErrors(RpcErrorCode.WrongState, RpcErrorCode.NotFound)]
    Task<RemovalAnswer> RemoveDeviceAsync(string id, double waitSeconds = 0, bool force = false, CancellationToken cancellation = default);

    /// <summary>The disks, with what they have done since they came to the domain.</summary>
    [JsonRpcMethod("disk.list")]
    Task<IReadOnlyList<DiskEntry>> GetDisksAsync(CancellationToken cancellation);

    /// <summary>Makes a disk and its image larger; the guest is told.</summary>
    /// <param name="id">The disk.</param>
    /// <param name="sizeBytes">The new size, a multiple of 512.</param>
    [JsonRpcMethod("disk.grow")]
    [RpcErrors(RpcErrorCode.WrongState, RpcErrorCode.NotFound, RpcErrorCode.HostRefused)]
    Task GrowDiskAsync(string id, ulong sizeBytes, CancellationToken cancellation);

    /// <summary>Changes how fast the guest may use a disk, at once and until the domain ends.</summary>
    /// <param name="id">The disk.</param>
    /// <param name="limits">The new limits; what is not named is not limited.</param>
    [JsonRpcMethod("disk.setLimits")]
    [RpcErrors(RpcErrorCode.WrongState, RpcErrorCode.NotFound)]
    Task SetDiskLimitsAsync(string id, LimitSettings limits, CancellationToken cancellation);

    /// <summary>The network devices, with what they have done since they came to the domain.</summary>
    [JsonRpcMethod("net.list")]
    Task<IReadOnlyList<NetEntry>> GetNetsAsync(CancellationToken cancellation);

    /// <summary>Puts the cable of a network device in or takes it out; the guest is told.</summary>
    /// <param name="id">The network device.</param>
    /// <param name="up">True: in.</param>
    [JsonRpcMethod("net.setLink")]
    [RpcErrors(RpcErrorCode.WrongState, RpcErrorCode.NotFound)]
    Task SetNetLinkAsync(string id, bool up, CancellationToken cancellation);

    /// <summary>Changes what the guest may receive and send, at once and until the domain ends.</summary>
    /// <param name="id">The network device.</param>
    /// <param name="receive">What the guest may receive; operations are packets.</param>
    /// <param name="send">What the guest may send.</param>
    [JsonRpcMethod("net.setLimits")]
    [RpcErrors(RpcErrorCode.WrongState, RpcErrorCode.NotFound)]
    Task SetNetLimitsAsync(string id, LimitSettings receive, LimitSettings send, CancellationToken cancellation);

    /// <summary>Records the frames of a network device in a pcapng file, instead of an earlier recording.</summary>
    /// <param name="id">The network device.</param>
    /// <param name="path">An absolute path on the domain's host; a file that is there is replaced.</param>
    /// <param name="snapLength">The most bytes of each frame; all without it.</param>
    [JsonRpcMethod("net.startCapture")]
    [RpcErrors(RpcErrorCode.WrongState, RpcErrorCode.NotFound, RpcErrorCode.HostRefused)]
    Task StartCaptureAsync(string id, string path, int? snapLength = null, CancellationToken cancellation = default);

    /// <summary>Ends the recording of a network device, if one runs.</summary>
    /// <param name="id">The network device.</param>
    [JsonRpcMethod("net.stopCapture")]
    [RpcErrors(RpcErrorCode.WrongState, RpcErrorCode.NotFound)]
    Task StopCaptureAsync(string id, CancellationToken cancellation);
}
