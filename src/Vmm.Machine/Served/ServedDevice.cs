using Vmm.Devices.Virtio.Block;
using Vmm.Devices.Virtio.Net;
using Vmm.Host;
using Vmm.Machine.Config;
using Vmm.Machine.Devices;

namespace Vmm.Machine.Served;

/// <summary>What a machine knows of a device that its device model serves: all that another process of the kind must be told. Guarded by the link's lock.</summary>
internal sealed class ServedDevice
{
    /// <param name="config">The device.</param>
    /// <param name="machine">Its machine.</param>
    /// <param name="tap">The TAP device that is behind it; null for another link.</param>
    public ServedDevice(DeviceConfig config, MachineConfig machine, OpenedTap? tap = null)
    {
        (Config, Tap) = (config, tap);
        Settings = config switch
        {
            DiskConfig disk => new(disk.Limits, default, default),
            NetConfig net => new(default, net.ReceiveLimits, net.SendLimits),
            _ => new(default, default, default),
        };
        // Nor is the interface its affair, which it gets ready, nor a file that it gets open.
        DeviceConfig alone = config is NetConfig link ? link with { Link = LinkOf(link.Link, tap is not null), Capture = null } : config;
        Machine = Slim(machine, [alone]);
        if (config is NetConfig { Capture: { } capture }) Capture = new(capture, Network.Capture.CaptureBackend.WholeFrames);
    }

    /// <summary>The device.</summary>
    public DeviceConfig Config { get; }

    /// <summary>By which it is spoken of.</summary>
    public string Id => Config.Id;

    /// <summary>The machine with this device alone.</summary>
    public MachineConfig Machine { get; }

    /// <summary>The TAP device that is behind it.</summary>
    public OpenedTap? Tap { get; }

    /// <summary>What the guest gets; null before it has one.</summary>
    public VhostUserAttachment? FrontEnd { get; set; }

    /// <summary>What was changed of it.</summary>
    public ServedSettings Settings { get; set; }

    /// <summary>Where its frames are recorded.</summary>
    public ServedCapture? Capture { get; set; }

    /// <summary>What it began with, of a machine that was restored; null for nothing.</summary>
    public byte[]? State { get; set; }

    /// <summary>The file of <see cref="Capture"/> has been made: what it has stays.</summary>
    public bool IsCaptureBegun { get; set; }

    /// <summary>The connection to its back end that its front end has not taken yet.</summary>
    public UnixChannel? Waiting { get; set; }

    /// <summary>The answer of the process that is there now to its being added; null while it has not been asked.</summary>
    public Task<ControlAnswer?>? Adding { get; set; }

    /// <summary>As it stood when that was last asked.</summary>
    public ServedReport? Last { get; set; }

    /// <summary>What it has done in all: in processes that are gone, and in this one.</summary>
    public (VirtioBlockStatistics Disk, VirtioNetStatistics Net) Done => (_gone.Disk + (Last?.Disk ?? default), _gone.Net + (Last?.Net ?? default));

    /// <summary>From when on that counts.</summary>
    public DateTimeOffset Since { get; } = DateTimeOffset.UtcNow;

    private (VirtioBlockStatistics Disk, VirtioNetStatistics Net) _gone;

    /// <summary>A machine with some devices, without what is no affair of the process that serves them: kernel, terminal, and the rest.</summary>
    public static MachineConfig Slim(MachineConfig machine, IReadOnlyCollection<DeviceConfig> devices)
        => (machine with { Boot = new BootConfig { Kernel = "" }, Serial = [], DebugConsole = null, DeviceModel = false }).WithDevices(devices);

    /// <summary>What the process has to be able to do for a device, before it is known what is behind it.</summary>
    public static DeviceConfig Needs(DeviceConfig config, MachineHost host)
    {
        if (config is not NetConfig net) return config;
        bool isTap = net.Link is TapLinkConfig
            || (net.Link is VifLinkConfig vif && (!vif.IsAnywhere || (host.Domain is { } domain && Network.Xend.Vif.HasDefaultPlace(domain.NetworkFolder))));
        return net with { Link = LinkOf(net.Link, isTap), Capture = null };
    }

    /// <summary>The process is gone: what it had counted stays, as far as it is known.</summary>
    public void Lose()
    {
        _gone = Done;
        if (Last is { } last) Last = last with { Disk = default, Net = default };
        Adding = null;
        Waiting?.Dispose();
        Waiting = null;
    }

    private static NetLinkConfig LinkOf(NetLinkConfig link, bool isTap) => link switch
    {
        _ when isTap => new TapLinkConfig(),
        // A place of which nothing is said, and there is none.
        VifLinkConfig => new UserLinkConfig(),
        _ => link,
    };
}
