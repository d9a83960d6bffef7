using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Vmm.Machine.Config;

/// <summary>A machine in words: no handles, nothing that changes. <see cref="ConfigValidator"/> says whether it makes sense.</summary>
public sealed record MachineConfig
{
    /// <summary>512 MiB.</summary>
    public const ulong DefaultMemoryBytes = 512UL << 20;

    /// <summary>For people and for file names.</summary>
    public string Name { get; init; } = "guest";

    /// <summary>Guest RAM.</summary>
    public ulong MemoryBytes { get; init; } = DefaultMemoryBytes;

    /// <summary>Number of vCPUs.</summary>
    public int Vcpus { get; init; } = 1;

    /// <summary>Which CPU runs the guest.</summary>
    public Accelerator Accel { get; init; } = Accelerator.Auto;

    /// <summary>CPU model and features, "x86-64-v2,-aes"; null for the default of the CPU that runs the guest.</summary>
    public string? Cpu { get; init; }

    /// <summary>What is started.</summary>
    public required BootConfig Boot { get; init; }

    /// <summary>The serial ports, COM1 first.</summary>
    public ImmutableArray<SerialConfig> Serial { get; init; } = [new(SerialKind.Stdio)];

    /// <summary>Where the debug console at ports 0xe9 and 0x402 writes; null for no such ports.</summary>
    public SerialConfig? DebugConsole { get; init; }

    /// <summary>The disks, /dev/vda first.</summary>
    public ImmutableArray<DiskConfig> Disks { get; init; } = [];

    /// <summary>The network devices.</summary>
    public ImmutableArray<NetConfig> Nets { get; init; } = [];

    /// <summary>The entropy devices.</summary>
    public ImmutableArray<RngConfig> Rngs { get; init; } = [];

    /// <summary>The socket device, one at the most.</summary>
    public ImmutableArray<VsockConfig> Vsocks { get; init; } = [];

    /// <summary>The memory balloon, one at the most.</summary>
    public ImmutableArray<BalloonConfig> Balloons { get; init; } = [];

    /// <summary>The directories that the guest can mount.</summary>
    public ImmutableArray<ShareConfig> Shares { get; init; } = [];

    /// <summary>The persistent memories, /dev/pmem0 first.</summary>
    public ImmutableArray<PmemConfig> Pmems { get; init; } = [];

    /// <summary>The devices that other people's processes serve.</summary>
    public ImmutableArray<VhostUserConfig> VhostUsers { get; init; } = [];

    /// <summary>Disks and network devices that say nothing of it are served by a process of their own.</summary>
    public bool DeviceModel { get; init; }

    /// <summary>Such processes keep all that this one may do, for looking for faults; else each is confined to what its devices need.</summary>
    public bool Unconfined { get; init; }

    /// <summary>The virtio console with its ports; null for none.</summary>
    public ConsoleConfig? Console { get; init; }

    /// <summary>Every device that stands on the PCI bus, in the order of its place there.</summary>
    [JsonIgnore]
    public IEnumerable<DeviceConfig> Devices => [.. Disks, .. Nets, .. Rngs, .. Vsocks, .. Balloons, .. Shares, .. Pmems, .. VhostUsers, .. Console is null ? [] : (DeviceConfig[])[Console]];

    /// <summary>The same machine with other devices.</summary>
    public MachineConfig WithDevices(IReadOnlyCollection<DeviceConfig> devices) => this with
    {
        Disks = [.. devices.OfType<DiskConfig>()],
        Nets = [.. devices.OfType<NetConfig>()],
        Rngs = [.. devices.OfType<RngConfig>()],
        Vsocks = [.. devices.OfType<VsockConfig>()],
        Balloons = [.. devices.OfType<BalloonConfig>()],
        Shares = [.. devices.OfType<ShareConfig>()],
        Pmems = [.. devices.OfType<PmemConfig>()],
        VhostUsers = [.. devices.OfType<VhostUserConfig>()],
        Console = devices.OfType<ConsoleConfig>().FirstOrDefault(),
    };

    /// <summary>What follows a reset by the guest.</summary>
    public RebootPolicy OnReboot { get; init; } = RebootPolicy.Restart;
}
