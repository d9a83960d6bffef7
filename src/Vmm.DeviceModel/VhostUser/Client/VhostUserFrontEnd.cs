using Vmm.Core.Memory;
using Vmm.DeviceModel.VhostUser.Messages;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Queue;
using Vmm.Host;

namespace Vmm.DeviceModel.VhostUser.Client;

/// <summary>
/// The front end of a device that a back end serves, through resets of the machine and deaths of the back end. What the driver wants is
/// written down at once, and one thread brings the back end there; when it has died, another one is brought to the same place, and does what
/// its predecessor did not end, once. The guest notices nothing but the time that it takes.
/// </summary>
/// <remarks>Lock order: the core's, then this one's. No call of the socket is made under it.</remarks>
public sealed partial class VhostUserFrontEnd : IDisposable
{
    private const int FirstRetryMs = 5, LastRetryMs = 1000;

    private readonly object _gate = new();
    private readonly Func<UnixChannel?> _connect;
    private readonly EpollLoop _loop;
    private readonly Action<string> _note;
    private readonly VhostUserOptions _options;
    private readonly FrontRing[] _rings;
    private readonly List<EpollRegistration> _watches = [];
    private readonly byte[] _config;
    private readonly bool[] _isWritten;
    private readonly bool _hasConfig, _hasInflight;
    private readonly Thread _thread;
    private VhostUserDevice? _device;
    private VirtioActivation? _activation;
    private ulong _features;
    private bool _hasNews, _isConfigWritten, _mustReset, _isDisposed;

    /// <summary>Connects, and learns what the back end has.</summary>
    /// <param name="connect">Makes a connection; null when there is nobody to connect to now. Called again when one has ended, on a thread of this object.</param>
    /// <param name="options">What the guest is shown.</param>
    /// <param name="loop">Where descriptors are watched.</param>
    /// <param name="patience">How long to wait for the first connection.</param>
    /// <param name="note">Takes lines for people: the back end has gone, and has come back.</param>
    /// <exception cref="VhostUserException">Nobody is there, or it is no such device.</exception>
    /// <exception cref="LinuxException">No descriptor is free, or the path cannot be one of a socket.</exception>
    public VhostUserFrontEnd(Func<UnixChannel?> connect, VhostUserOptions options, EpollLoop loop, TimeSpan patience, Action<string> note)
    {
        (_connect, _options, _loop, _note) = (connect, options, loop, note);
        Profile = VhostUserProfile.Of(options.Kind);
        _config = new byte[Profile.ConfigBytes];
        _isWritten = new bool[Profile.ConfigBytes];
        UnixChannel channel = ConnectFirst(patience);
        VhostUserConnection connection = new(channel, options.AnswerTimeoutMs);
        try
        {
            connection.Negotiate();
            _hasConfig = connection.Has(VhostUserProtocolFeatures.CONFIG);
            _hasInflight = connection.Has(VhostUserProtocolFeatures.INFLIGHT_SHMFD);
            QueueCount = VhostUserProfile.CountQueues(options, connection.Queues, _hasConfig);
            OfferedFeatures = Profile.Features(connection.Features, _hasConfig, QueueCount);
            if ((OfferedFeatures & VirtioFeatures.VIRTIO_F_VERSION_1) == 0) throw new VhostUserException("the back end serves drivers of the legacy interface alone");
            if (!_hasConfig && options.Kind == VhostUserKind.Block) throw new VhostUserException("the back end does not tell the disk's configuration");
            _rings = [.. Enumerable.Range(0, QueueCount).Select(_ => new FrontRing())];
            if (_hasConfig) FetchConfig(connection);
            else VhostUserProfile.MakeConfig(options, QueueCount, _config);
            Watch();
            Adopt(connection);
        }
        catch
        {
            connection.Dispose();
            Release();
            throw;
        }

        _thread = new Thread(Control) { Name = $"{Profile.Name} control", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Times that a back end was connected to after the first.</summary>
    public int Reconnections => Volatile.Read(ref _reconnections);

    internal VhostUserProfile Profile { get; }

    internal VhostUserKind Kind => _options.Kind;

    internal int QueueCount { get; }

    internal ushort QueueSize => _options.QueueSize;

    internal ulong OfferedFeatures { get; }

    /// <summary>Makes the device for one life of the machine, after the one before was disposed.</summary>
    /// <param name="memory">The guest's.</param>
    /// <param name="state">The way to the state of the device; null where there is none.</param>
    public VhostUserDevice CreateDevice(GuestMemory memory, IRemoteState? state = null)
    {
        lock (_gate) return _device = new VhostUserDevice(this, memory) { State = state };
    }

    /// <summary>The back end says, in another way than by the ring's descriptor, that it cannot serve a queue. Any thread; what makes no sense is ignored.</summary>
    public void Break(int queue, string why)
    {
        if (queue >= 0 && queue < QueueCount) Volatile.Read(ref _activation)?.Calls!.Break(queue, why);
    }

    /// <summary>Ends the connection. The device was disposed.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_isDisposed) return;
            _isDisposed = true;
            Monitor.PulseAll(_gate);
        }

        _thread.Join();
        Release();
    }

    internal void ReadConfig(uint offset, Span<byte> data)
    {
        lock (_gate) _config.AsSpan((int)offset, data.Length).CopyTo(data);
    }

    internal void WriteConfig(uint offset, ReadOnlySpan<byte> data)
    {
        if (!_hasConfig) return;
        lock (_gate)
        {
            data.CopyTo(_config.AsSpan((int)offset));
            _isWritten.AsSpan((int)offset, data.Length).Fill(true);
            _isConfigWritten = true;
            Wake();
        }
    }

    internal void Activate(VirtioActivation activation)
    {
        lock (_gate)
        {
            _activation = activation;
            Wake();
        }
    }

    internal void Kick(int queue) => _rings[queue].Kick.Signal();

    internal int KickDescriptor(int queue) => _rings[queue].Kick.Fd;

    internal void Reset()
    {
        lock (_gate)
        {
            _activation = null;
            _mustReset = true;
            // What it had written is the back end's own again.
            _isConfigWritten = false;
            Array.Clear(_isWritten);
            foreach (FrontRing ring in _rings)
            {
                ring.IsWanted = ring.IsLost = false;
                // Nobody will ask what became of it.
                if (!ring.IsServed) ring.IsOwed = ring.HasMoved = false;
            }

            Wake();
        }
    }

    internal void StartQueue(int queue, in VirtQueueSetup setup, ulong features, in VirtRingPosition position)
    {
        lock (_gate)
        {
            FrontRing ring = _rings[queue];
            // One that has not stopped yet goes on from where it is.
            if (!ring.IsOwed) (ring.Setup, ring.Position) = (setup, position);
            ring.IsWanted = true;
            _features = features;
            Wake();
        }
    }

    internal void StopQueue(int queue)
    {
        lock (_gate)
        {
            _rings[queue].IsWanted = false;
            Wake();
        }
    }

    internal bool IsQueueIdle(int queue)
    {
        lock (_gate) return !_rings[queue].IsOwed;
    }

    internal VirtRingPosition QueuePosition(int queue)
    {
        lock (_gate) return _rings[queue].Position;
    }

    internal void CallsChanged()
    {
        lock (_gate) Wake();
    }

    /// <summary>The device is at its end: waits until nobody uses its memory.</summary>
    internal void Detach(VhostUserDevice device)
    {
        Reset();
        lock (_gate)
        {
            if (_device != device) return;
            while (!_isDisposed && _rings.Any(ring => ring.IsOwed)) Monitor.Wait(_gate);
            _device = null;
        }
    }

    private void Wake()
    {
        _hasNews = true;
        Monitor.PulseAll(_gate);
    }

    private void Watch()
    {
        for (int i = 0; i < _rings.Length; i++)
        {
            int queue = i;
            // Edges: nobody takes the counts.
            const EpollEvents Edges = EpollEvents.Readable | EpollEvents.EdgeTriggered;
            _watches.Add(_loop.Add(_rings[i].Call.Fd, Edges, _ => Volatile.Read(ref _activation)?.Calls!.Raise(queue)));
            _watches.Add(_loop.Add(_rings[i].Error.Fd, Edges, _ => Volatile.Read(ref _activation)?.Calls!.Break(queue, "the back end cannot serve it")));
        }
    }

    private void Release()
    {
        foreach (EpollRegistration watch in _watches) watch.Dispose();
        _watches.Clear();
        foreach (FrontRing ring in _rings ?? []) ring.Dispose();
        _inflight?.File.Dispose();
        _inflight = null;
    }

    private UnixChannel ConnectFirst(TimeSpan patience)
    {
        long end = Environment.TickCount64 + (long)patience.TotalMilliseconds;
        for (int delay = FirstRetryMs; ; delay = Math.Min(2 * delay, LastRetryMs))
        {
            if (_connect() is { } channel) return channel;
            if (Environment.TickCount64 >= end) throw new VhostUserException("nobody serves the socket");
            Thread.Sleep(delay);
        }
    }
}
