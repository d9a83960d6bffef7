using System.Text;
using Vmm.Core.Backends;
using Vmm.Core.Time;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Net;
using Vmm.Host;
using Vmm.Host.Net;
using Vmm.Machine.Config;
using Vmm.Machine.Served;
using Vmm.Network.Capture;
using Vmm.Network.Stream;
using Vmm.Network.Tap;
using Vmm.Network.User;
using Vmm.Network.Xend;

namespace Vmm.Machine.Devices;

/// <summary>The link behind a network device, with its recording and its limits. Any thread.</summary>
internal sealed class NetAttachment : INetAttachment
{
    // QEMU's and KVM's range: what expects a guest there finds one.
    private const ulong GuestPrefix = 0x525400UL << 24;

    private readonly Lock _gate = new();
    private readonly CaptureBackend _link;
    private readonly VirtioNetOptions _options;
    private readonly LifeClock _clock = new();
    private RateLimits _receiveLimits, _sendLimits;
    private RateLimiter? _receiveLimiter, _sendLimiter;
    private readonly DateTimeOffset _since = DateTimeOffset.UtcNow;
    private VirtioNetStatistics _earlier;
    private VirtioNet? _device;
    private readonly string? _interface;
    private string? _capture;
    private readonly Vif? _vif;
    private bool _isLinkUp = true, _isDisposed;

    /// <param name="config">What was asked for.</param>
    /// <param name="machine">The machine's name.</param>
    /// <param name="host">The process.</param>
    /// <param name="tap">The TAP device, where another process has made it ready; null to do so here.</param>
    /// <exception cref="LinuxException">The link, or the file that records it, cannot be had.</exception>
    public NetAttachment(NetConfig config, string machine, MachineHost host, HandedTap? tap = null)
    {
        Id = config.Id;
        BoundedNotes notes = new(config.Id, host.Note);
        MacAddress mac = MacOf(config, machine);
        INetBackend link;
        ushort mtu = (ushort)(config.Mtu ?? 0);
        if (tap is not null) (link, mtu) = (new TapBackend(host.Loop, [.. tap.Queues.Select(TapQueue.Adopt)], tap.LinkMtu, notes.Write), tap.GuestMtu);
        else if (OpenedTap.TryOpen(config, mac, host, notes.Write) is { } opened)
        {
            (_vif, _interface, mtu) = (opened.Vif, opened.Name, opened.GuestMtu);
            link = new TapBackend(host.Loop, opened.Queues, opened.LinkMtu, notes.Write);
        }
        else
        {
            link = Open(config, host, _clock, notes.Write);
        }

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

    /// <summary>The cable is in, and the link is up.</summary>
    public bool IsLinkUp => Volatile.Read(ref _isLinkUp) && _link.IsLinkUp;

    /// <summary>What the device has done in all lives.</summary>
    public VirtioNetStatistics Statistics
    {
        get
        {
            lock (_gate) return _device is { } device ? _earlier + device.Statistics : _earlier;
        }
    }

    /// <inheritdoc/>
    public IVirtioDevice Create(IDeviceRoom room)
    {
        lock (_gate)
        {
            _clock.Begin(room.Clock);
            // The buckets fill in the time of one life; limits and link state outlive it.
            EndLimiters();
            _receiveLimiter = new RateLimiter(room.Clock, _receiveLimits);
            _sendLimiter = new RateLimiter(room.Clock, _sendLimits);
            _earlier = Statistics;
            VirtioNet device = new(_link, _options, room.Workers, _receiveLimiter, _sendLimiter);
            device.SetLink(_isLinkUp);
            return _device = device;
        }
    }

    /// <inheritdoc/>
    public void StartCapture(string path, int snapLength) => StartCapture(() => _link.Start(path, snapLength), path);

    /// <summary>Records all frames from now on, behind what a file has already.</summary>
    /// <param name="file">The file; stays the caller's.</param>
    /// <param name="path">Its name, for people.</param>
    /// <param name="snapLength">The most bytes of each frame.</param>
    /// <exception cref="LinuxException">It cannot be written.</exception>
    public void StartCapture(LinuxFile file, string path, int snapLength) => StartCapture(() => _link.Start(file.Duplicate(), path, snapLength), path);

    /// <inheritdoc/>
    public void StopCapture()
    {
        lock (_gate)
        {
            if (!_isDisposed) _link.Stop();
            _capture = null;
        }
    }

    /// <inheritdoc/>
    public NetReport Report(NetConfig config, int slot, bool isLeaving)
    {
        lock (_gate)
        {
            return new(config, slot, isLeaving, _options.Mac, _options.Mtu == 0 ? null : _options.Mtu,
                _interface, _isLinkUp && _link.IsLinkUp, _capture, _receiveLimits, _sendLimits, Statistics, _since);
        }
    }

    /// <inheritdoc/>
    public void SetLink(bool up)
    {
        lock (_gate)
        {
            Volatile.Write(ref _isLinkUp, up);
            if (!_isDisposed) _device?.SetLink(up);
        }
    }

    /// <inheritdoc/>
    public void Announce()
    {
        lock (_gate)
        {
            if (!_isDisposed) _device?.Announce();
        }
    }

    /// <inheritdoc/>
    public void SetLimits(RateLimits receive, RateLimits send)
    {
        lock (_gate)
        {
            (_receiveLimits, _sendLimits) = (receive, send);
            if (_isDisposed) return;
            if (_receiveLimiter is { } receiveLimiter) receiveLimiter.Limits = receive;
            if (_sendLimiter is { } sendLimiter) sendLimiter.Limits = send;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _isDisposed = true;
            EndLimiters();
        }

        // The scripts of an interface find it still there.
        _vif?.Dispose();
        _link.Dispose();
    }

    /// <summary>The guest's address.</summary>
    internal static MacAddress MacOf(NetConfig config, string machine)
        => config.Mac is not null && MacAddress.TryParse(config.Mac, out MacAddress given) ? given : DefaultMac(machine, config.Id);

    /// <summary>The same at every start of the same machine, and hardly ever that of another one.</summary>
    internal static MacAddress DefaultMac(string machine, string id)
    {
        // FNV-1a, with its bits mixed at the end: a library for a hash would cost each process of devices megabytes.
        const ulong Offset = 0xcbf2_9ce4_8422_2325, Prime = 0x100_0000_01b3;
        ulong hash = Offset;
        foreach (byte one in Encoding.UTF8.GetBytes($"{machine}\n{id}")) hash = unchecked((hash ^ one) * Prime);
        hash ^= hash >> 32;
        hash ^= hash >> 17;
        return new MacAddress(GuestPrefix | (hash & 0xff_ffff));
    }

    private void EndLimiters()
    {
        _receiveLimiter?.Dispose();
        _sendLimiter?.Dispose();
    }

    private void StartCapture(Action start, string path)
    {
        lock (_gate)
        {
            if (_isDisposed) throw new DeviceException($"'{Id}' is gone");
            try
            {
                start();
                _capture = path;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new LinuxException($"{Id}: the capture cannot be written: {e.Message}", e);
            }
        }
    }

    private static INetBackend Open(NetConfig config, MachineHost host, LifeClock clock, Action<string> note) => config.Link switch
    {
        StreamLinkConfig stream => new StreamBackend(host.Loop, stream.Path, stream.IsServer, note),
        UserLinkConfig user => new UserNetwork(user.ToOptions(config), host.Loop, clock),
        // A place of which nothing is said, and there is none.
        VifLinkConfig => new UserNetwork(new UserLinkConfig().ToOptions(config), host.Loop, clock),
        _ => throw new LinuxException($"{config.Id}: no such kind of link"),
    };
}
