using System.Security.Cryptography;
using System.Text;
using Vmm.Core.Backends;
using Vmm.Core.Time;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Net;
using Vmm.Host;
using Vmm.Machine.Config;
using Vmm.Network.Capture;
using Vmm.Network.Stream;
using Vmm.Network.Tap;
using Vmm.Network.User;
using Vmm.Network.Xend;

namespace Vmm.Machine.Devices;

/// <summary>The link behind a network device, with its recording and its limits. Guarded by the life-cycle lock of the machine.</summary>
internal sealed class NetAttachment : IAttachment
{
    // QEMU's and KVM's range: what expects a guest there finds one.
    private const ulong GuestPrefix = 0x525400UL << 24;
    private const int StandardMtu = 1500;

    private readonly CaptureBackend _link;
    private readonly VirtioNetOptions _options;
    private readonly LifeClock _clock = new();
    private RateLimits _receiveLimits, _sendLimits;
    private RateLimiter? _receiveLimiter, _sendLimiter;
    private VirtioNet? _device;
    private readonly string? _interface;
    private string? _capture;
    private readonly Vif? _vif;
    private bool _isLinkUp = true;

    /// <exception cref="LinuxException">The link, or the file that records it, cannot be had.</exception>
    public NetAttachment(NetConfig config, string machine, MachineHost host)
    {
        Id = config.Id;
        BoundedNotes notes = new(config.Id, host.Note);
        MacAddress mac = config.Mac is not null && MacAddress.TryParse(config.Mac, out MacAddress given) ? given : DefaultMac(machine, config.Id);
        INetBackend link = Open(config, mac, host, _clock, notes.Write, out ushort mtu, out _vif);
        _interface = (link as TapBackend)?.Name;
        _link = new CaptureBackend(link, config.Id, new ThreadWorkers(), notes.Write);
        _options = new VirtioNetOptions
        {
            Mac = mac,
            Mtu = mtu,
            QueuePairs = config.Queues,
            QueueSize = (ushort)config.QueueSize,
            Offloads = config.Offload ? link.Offloads : NetOffloads.None,
        };
        (_receiveLimits, _sendLimits) = (config.ReceiveLimits, config.SendLimits);
        if (config.Capture is null) return;
        try
        {
            StartCapture(config.Capture, CaptureBackend.WholeFrames);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public string Id { get; }

    /// <inheritdoc/>
    public IVirtioDevice Create(IDeviceRoom room)
    {
        _clock.Begin(room.Clock);
        // The buckets fill in the time of one life; limits and link state outlive it.
        EndLimiters();
        _receiveLimiter = new RateLimiter(room.Clock, _receiveLimits);
        _sendLimiter = new RateLimiter(room.Clock, _sendLimits);
        _device = new VirtioNet(_link, _options, room.Workers, _receiveLimiter, _sendLimiter);
        _device.SetLink(_isLinkUp);
        return _device;
    }

    /// <summary>Records all frames from now on.</summary>
    /// <exception cref="LinuxException">The file cannot be made.</exception>
    public void StartCapture(string path, int snapLength)
    {
        try
        {
            _link.Start(path, snapLength);
            _capture = path;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LinuxException($"{Id}: the capture cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Ends the recording.</summary>
    public void StopCapture()
    {
        _link.Stop();
        _capture = null;
    }

    /// <summary>The device as it stands.</summary>
    public NetReport Report(NetConfig config, int slot, bool isLeaving) => new(config, slot, isLeaving, _options.Mac, _options.Mtu == 0 ? null : _options.Mtu,
        _interface, _isLinkUp && _link.IsLinkUp, _capture, _receiveLimits, _sendLimits, _device?.Statistics);

    /// <summary>Puts the guest's cable in or takes it out.</summary>
    public void SetLink(bool up)
    {
        _isLinkUp = up;
        _device?.SetLink(up);
    }

    /// <summary>Changes what the guest may receive and send, at once.</summary>
    public void SetLimits(RateLimits receive, RateLimits send)
    {
        (_receiveLimits, _sendLimits) = (receive, send);
        if (_receiveLimiter is { } receiveLimiter) receiveLimiter.Limits = receive;
        if (_sendLimiter is { } sendLimiter) sendLimiter.Limits = send;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        EndLimiters();
        // The scripts of an interface find it still there.
        _vif?.Dispose();
        _link.Dispose();
    }

    /// <summary>The same at every start of the same machine, and hardly ever that of another one.</summary>
    internal static MacAddress DefaultMac(string machine, string id)
    {
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{machine}\n{id}"));
        return new MacAddress(GuestPrefix | ((ulong)hash[0] << 16) | ((ulong)hash[1] << 8) | hash[2]);
    }

    private void EndLimiters()
    {
        _receiveLimiter?.Dispose();
        _sendLimiter?.Dispose();
    }

    private static INetBackend Open(NetConfig config, MacAddress mac, MachineHost host, LifeClock clock, Action<string> note, out ushort mtu, out Vif? vif)
    {
        EpollLoop loop = host.Loop;
        vif = null;
        mtu = (ushort)(config.Mtu ?? 0);
        switch (config.Link)
        {
            case TapLinkConfig tap:
                TapBackend backend = TapOpener.Open(loop, new TapOptions
                {
                    Name = tap.InterfaceName,
                    Descriptors = tap.Descriptors,
                    Bridge = tap.Bridge,
                    Mtu = (ushort?)config.Mtu,
                    Queues = config.Queues,
                    GuestMac = mac,
                }, note);
                if (tap.InterfaceName is null && tap.Descriptors.IsEmpty) note($"TAP device {backend.Name}");
                // What every driver takes for granted need not be said.
                if (config.Mtu is null && backend.Mtu != StandardMtu) mtu = backend.Mtu;
                return backend;
            case VifLinkConfig link:
                DomainIdentity domain = host.Domain ?? throw new LinuxException($"{config.Id}: an interface vifDOMID.DEVID belongs to a domain (vmm create)");
                if (link.IsAnywhere && !Vif.HasDefaultPlace(domain.NetworkFolder))
                {
                    note("no network for guests is started (vmm network start), so this one is behind a NAT of its own");
                    return new UserNetwork(new UserLinkConfig().ToOptions(config), loop, clock);
                }

                vif = Vif.Attach(link.ToSpec(config, mac.ToString(), domain), new NetworkStore(domain.NetworkFolder), Environment.ProcessPath ?? "vmm", note);
                if (config.Mtu is null && vif.Mtu != StandardMtu) mtu = vif.Mtu;
                return new TapBackend(loop, vif.Queues, vif.Mtu, note);
            case StreamLinkConfig stream:
                return new StreamBackend(loop, stream.Path, stream.IsServer, note);
            case UserLinkConfig user:
                return new UserNetwork(user.ToOptions(config), loop, clock);
            default:
                throw new LinuxException($"{config.Id}: no such kind of link");
        }
    }
}
