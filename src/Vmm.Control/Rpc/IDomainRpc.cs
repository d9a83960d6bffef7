using System.Text.Json;
using PolyType;
using StreamJsonRpc;

namespace Vmm.Control.Rpc;

/// <summary>What a domain's socket answers (JSON-RPC 2.0): the domain itself.</summary>
/// <remarks>Parameters go by name or by place. Every method may also fail with the codes of JSON-RPC 2.0 §5.1.</remarks>
[JsonRpcContract]
[GenerateShape(IncludeMethods = MethodShapeFlags.PublicInstance)]
public partial interface IDomainRpc
{
    /// <summary>What the domain is and does.</summary>
    [JsonRpcMethod("domain.info")]
    Task<DomainInfo> GetInfoAsync(CancellationToken cancellation);

    /// <summary>The domain's configuration with the devices that it has now, in the form in which domains are stored.</summary>
    [JsonRpcMethod("domain.config")]
    Task<JsonElement> GetConfigAsync(CancellationToken cancellation);

    /// <summary>Stops the guest and its time.</summary>
    [JsonRpcMethod("domain.pause")]
    [RpcErrors(RpcErrorCode.WrongState)]
    Task PauseAsync(CancellationToken cancellation);

    /// <summary>Lets a paused guest go on.</summary>
    [JsonRpcMethod("domain.unpause")]
    [RpcErrors(RpcErrorCode.WrongState)]
    Task UnpauseAsync(CancellationToken cancellation);

    /// <summary>Presses the power button (ACPI). The guest decides what follows and when: domain.wait tells.</summary>
    [JsonRpcMethod("domain.shutdown")]
    [RpcErrors(RpcErrorCode.WrongState)]
    Task<PowerButtonAnswer> ShutdownAsync(CancellationToken cancellation);

    /// <summary>Resets the guest as the reset button of a PC does; what follows is said by on_reboot.</summary>
    [JsonRpcMethod("domain.reboot")]
    [RpcErrors(RpcErrorCode.WrongState)]
    Task RebootAsync(CancellationToken cancellation);

    /// <summary>Ends the guest as if its plug were pulled, and the domain with it.</summary>
    [JsonRpcMethod("domain.destroy")]
    Task DestroyAsync(CancellationToken cancellation);

    /// <summary>Waits for the guest's next end and tells it with what follows. Tells the last one at once when there is no guest any more.</summary>
    [JsonRpcMethod("domain.wait")]
    Task<GuestEnd> WaitAsync(CancellationToken cancellation);

    /// <summary>Gives the domain another name.</summary>
    /// <param name="name">Letters, digits, '-', '_' or '.', beginning with a letter or digit; no other domain's.</param>
    [JsonRpcMethod("domain.rename")]
    [RpcErrors(RpcErrorCode.WrongState)]
    Task RenameAsync(string name, CancellationToken cancellation);

    /// <summary>Gives Linux a magic SysRq key on the guest's console: a break and the key on a serial port, Ctrl-O and the key on a virtio console.</summary>
    /// <param name="key">One character, as "s" for sync or "h" for help. Nobody can say whether the guest obeys.</param>
    [JsonRpcMethod("domain.sysrq")]
    [RpcErrors(RpcErrorCode.WrongState, RpcErrorCode.NotFound)]
    Task SendSysrqAsync(string key, CancellationToken cancellation);

    /// <summary>Writes the guest's memory and the registers of its vCPUs to an ELF core file. The guest stands still meanwhile.</summary>
    /// <param name="path">An absolute path on the domain's host; a file that is there is replaced.</param>
    [JsonRpcMethod("domain.dumpCore")]
    [RpcErrors(RpcErrorCode.WrongState, RpcErrorCode.HostRefused)]
    Task<CoreInfo> DumpCoreAsync(string path, CancellationToken cancellation);

    /// <summary>
    /// Saves the domain to a file, from which vmm restore makes a domain that goes on where this one was. What the disks hold is not in it: the
    /// domain ends as soon as it is saved, without another instruction of its guest, unless it is told to stay. A domain that could not be saved goes on.
    /// </summary>
    /// <param name="path">An absolute path on the domain's host; a file that is there is replaced when all is written.</param>
    /// <param name="leaveRunning">The domain goes on afterwards; what it writes to its disks then does not fit the file any more.</param>
    /// <param name="leavePaused">The domain stays, paused.</param>
    [JsonRpcMethod("domain.save")]
    [RpcErrors(RpcErrorCode.WrongState, RpcErrorCode.HostRefused)]
    Task<SaveInfo> SaveAsync(string path, bool leaveRunning = false, bool leavePaused = false, CancellationToken cancellation = default);

    /// <summary>The vCPUs.</summary>
    [JsonRpcMethod("domain.vcpus")]
    [RpcErrors(RpcErrorCode.WrongState)]
    Task<IReadOnlyList<VcpuInfo>> GetVcpusAsync(CancellationToken cancellation);

    /// <summary>Says on which processors of the host vCPUs may run.</summary>
    /// <param name="cpus">Numbers of the host's processors.</param>
    /// <param name="vcpu">The vCPU's number; all vCPUs without it.</param>
    [JsonRpcMethod("domain.pinVcpu")]
    [RpcErrors(RpcErrorCode.WrongState, RpcErrorCode.NotFound, RpcErrorCode.HostRefused)]
    Task PinVcpuAsync(IReadOnlyList<int> cpus, int? vcpu = null, CancellationToken cancellation = default);

    /// <summary>Gives a vCPU a non-maskable interrupt, as the button of a server does. Linux prints that it came, or panics with unknown_nmi_panic.</summary>
    /// <param name="vcpu">The vCPU's number.</param>
    [JsonRpcMethod("domain.nmi")]
    [RpcErrors(RpcErrorCode.WrongState, RpcErrorCode.NotFound)]
    Task SendNmiAsync(int vcpu = 0, CancellationToken cancellation = default);

    /// <summary>Says how much memory the guest is to have: its balloon takes the rest, as fast and as far as the guest lets it.</summary>
    /// <param name="sizeBytes">Not more than the domain was made with, or than domain.setMaximumMemory said.</param>
    [JsonRpcMethod("domain.setMemory")]
    [RpcErrors(RpcErrorCode.WrongState, RpcErrorCode.NotFound)]
    Task SetMemoryAsync(ulong sizeBytes, CancellationToken cancellation);

    /// <summary>Says how much memory the guest may be given at the most, by domain.setMemory. What it has now stays.</summary>
    /// <param name="sizeBytes">Not more than the domain was made with.</param>
    [JsonRpcMethod("domain.setMaximumMemory")]
    [RpcErrors(RpcErrorCode.WrongState)]
    Task SetMaximumMemoryAsync(ulong sizeBytes, CancellationToken cancellation);

    /// <summary>The balloon, and what the guest says of its memory.</summary>
    [JsonRpcMethod("domain.balloon")]
    [RpcErrors(RpcErrorCode.WrongState, RpcErrorCode.NotFound)]
    Task<BalloonInfo> GetBalloonAsync(CancellationToken cancellation);

    /// <summary>The last lines of the domain's log.</summary>
    /// <param name="lines">How many at the most.</param>
    [JsonRpcMethod("domain.log")]
    Task<IReadOnlyList<string>> GetLogAsync(int lines = 100, CancellationToken cancellation = default);

    /// <summary>From now on, what happens is told to this client by the notification domain.event.</summary>
    [JsonRpcMethod("domain.subscribe")]
    Task SubscribeAsync(CancellationToken cancellation);

    /// <summary>Ends a subscription.</summary>
    [JsonRpcMethod("domain.unsubscribe")]
    Task UnsubscribeAsync(CancellationToken cancellation);

    /// <summary>The description of this interface as an OpenRPC 1.3 document.</summary>
    [JsonRpcMethod("rpc.discover")]
    Task<JsonElement> DiscoverAsync(CancellationToken cancellation);
}
