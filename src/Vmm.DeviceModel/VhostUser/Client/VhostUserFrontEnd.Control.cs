using System.Numerics;
using Vmm.Core.Memory;
using Vmm.DeviceModel.VhostUser.Messages;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Queue;
using Vmm.Host;

namespace Vmm.DeviceModel.VhostUser.Client;

/// <content>The thread that brings the back end to where the driver wants it.</content>
public sealed partial class VhostUserFrontEnd
{
    private const ulong UsedIndexOffset = 2;
    private const int MostHeard = 64;

    // Only this thread and the constructor.
    private VhostUserConnection? _connection;
    private UnixChannel? _backend;
    private EpollRegistration? _gone, _asks;
    private (InflightDescription Description, LinuxFile File)? _inflight;
    private GuestMemory? _sharedMemory;
    private ulong? _sentFeatures;
    private bool _isInflightSent;
    private bool _isGone, _isServing;
    private int _reconnections, _deaths;

    private bool IsPacked => (_features & VirtioFeatures.VIRTIO_F_RING_PACKED) != 0;

    private void Control()
    {
        int delay = FirstRetryMs;
        while (WaitForNews(delay))
        {
            try
            {
                if (_connection is null && !TryReconnect())
                {
                    delay = Math.Min(2 * delay, LastRetryMs);
                    continue;
                }

                Listen();
                Converge();
                delay = FirstRetryMs;
            }
            catch (Exception e) when (e is VhostUserException or LinuxException)
            {
                Disconnect(e.Message);
                // One that is there and will not serve is not asked without end.
                delay = _isServing ? FirstRetryMs : Math.Min(2 * delay, LastRetryMs);
            }
        }

        Disconnect(null);
    }

    /// <summary>False at the end.</summary>
    private bool WaitForNews(int retryMs)
    {
        lock (_gate)
        {
            if (_connection is null && !_isDisposed) Monitor.Wait(_gate, retryMs);
            else while (!_hasNews && !_isDisposed) Monitor.Wait(_gate);
            _hasNews = false;
            return !_isDisposed;
        }
    }

    private bool TryReconnect()
    {
        if (_connect() is not { } channel) return false;
        VhostUserConnection connection = new(channel, _options.AnswerTimeoutMs);
        try
        {
            connection.Negotiate();
            ulong missing = OfferedFeatures & ~Profile.Features(connection.Features, _hasConfig, QueueCount);
            bool isSame = missing == 0 && connection.Has(VhostUserProtocolFeatures.CONFIG) == _hasConfig
                && connection.Has(VhostUserProtocolFeatures.INFLIGHT_SHMFD) == _hasInflight && (!connection.Has(VhostUserProtocolFeatures.MQ) || connection.Queues >= QueueCount);
            if (!isSame) throw new VhostUserException($"another back end is there that lacks features 0x{missing:x} or queues");
            Adopt(connection);
        }
        catch
        {
            connection.Dispose();
            throw;
        }

        Interlocked.Increment(ref _reconnections);
        if (BitOperations.IsPow2(_deaths)) _note($"the back end is there again{(_deaths == 1 ? "" : $" ({_deaths} times until now)")}");
        // It may have another size by now.
        RefreshConfig();
        lock (_gate) _isConfigWritten = Array.Exists(_isWritten, static isWritten => isWritten);
        return true;
    }

    private void Adopt(VhostUserConnection connection)
    {
        if (connection.Has(VhostUserProtocolFeatures.BACKEND_REQ))
        {
            (UnixChannel ours, UnixChannel theirs) = UnixChannel.Pair();
            using (theirs)
            {
                _backend = ours;
                connection.SetBackendChannel(theirs);
            }

            _asks = _loop.Add(ours.Fd, EpollEvents.Readable | EpollEvents.EdgeTriggered, _ => CallsChanged());
        }

        _gone = _loop.Add(connection.Channel.Fd, EpollEvents.PeerClosed | EpollEvents.EdgeTriggered, _ =>
        {
            Volatile.Write(ref _isGone, true);
            CallsChanged();
        });
        Volatile.Write(ref _isGone, false);
        _isServing = false;
        _connection = connection;
    }

    private void Disconnect(string? why)
    {
        if (_connection is null) return;
        // The more often it dies, the less is new in it.
        if (why is not null && BitOperations.IsPow2(++_deaths)) _note($"the back end is gone: {why}{(_deaths == 1 ? "" : $" ({_deaths} times until now)")}");
        _gone?.Dispose();
        _asks?.Dispose();
        (_gone, _asks) = (null, null);
        _backend?.Dispose();
        _backend = null;
        _connection.Dispose();
        _connection = null;
        (_sharedMemory, _sentFeatures, _isInflightSent) = (null, null, false);
        List<int> lost = [];
        lock (_gate)
        {
            for (int i = 0; i < _rings.Length; i++)
            {
                FrontRing ring = _rings[i];
                ring.IsServed = false;
                // What was under way nobody knows without an account; and what is being reset need not be known.
                if (_mustReset) ring.IsOwed = ring.HasMoved = false;
                if (!ring.IsOwed || _hasInflight) continue;
                (ring.IsOwed, ring.IsLost) = (false, true);
                lost.Add(i);
            }

            Wake();
        }

        foreach (int queue in lost) Volatile.Read(ref _activation)?.Calls!.Break(queue, "the back end is gone, and keeps no account of what it had begun");
    }

    private void Converge()
    {
        ConvergeReset();
        SendConfig();
        bool isAnyNew = false;
        for (int i = 0; i < _rings.Length; i++) isAnyNew |= ConvergeRing(i);
        ConvergeCalls();
        // Before its driver is ready a device tells nobody what changes.
        if (isAnyNew) RefreshConfig();
    }

    /// <summary>A driver that has gone is forgotten before the next one is served.</summary>
    private void ConvergeReset()
    {
        lock (_gate)
        {
            if (!_mustReset) return;
        }

        for (int i = 0; i < _rings.Length; i++)
        {
            if (_rings[i].IsServed) StopServing(i);
        }

        if (_sentFeatures is not null) _connection!.Reset();
        _sentFeatures = null;
        _inflight?.File.Dispose();
        (_inflight, _isInflightSent) = (null, false);
        lock (_gate)
        {
            _mustReset = false;
        }

        if (_hasConfig) FetchConfig(_connection!);
    }

    private void SendConfig()
    {
        byte[] config;
        bool[] isWritten;
        lock (_gate)
        {
            if (!_isConfigWritten) return;
            _isConfigWritten = false;
            (config, isWritten) = ([.. _config], [.. _isWritten]);
        }

        for (int from = 0; from < config.Length;)
        {
            int to = from;
            while (to < config.Length && isWritten[to]) to++;
            if (to > from) _connection!.SetConfig((uint)from, config.AsSpan(from, to - from));
            from = Math.Max(to, from + 1);
        }
    }

    /// <summary>True when it is served from now on.</summary>
    private bool ConvergeRing(int index)
    {
        FrontRing ring = _rings[index];
        bool mustStart, mustStop;
        lock (_gate)
        {
            mustStart = (ring.IsWanted || ring.IsOwed) && !ring.IsServed && !ring.IsLost && _device is not null && _activation is not null;
            // Until the first answer nobody can know whether it is served.
            if (mustStart) ring.IsOwed = true;
        }

        if (mustStart) StartServing(index);
        lock (_gate) mustStop = !ring.IsWanted && ring.IsServed;
        if (mustStop) StopServing(index);
        return mustStart;
    }

    private void StartServing(int index)
    {
        FrontRing ring = _rings[index];
        Prepare();
        VirtQueueSetup setup;
        uint at;
        bool isAgain;
        lock (_gate)
        {
            setup = ring.Setup;
            isAgain = ring.HasMoved;
            at = VhostUserConnection.BaseOf(isAgain ? PositionInMemory(ring) : ring.Position, IsPacked);
            ring.IsServed = ring.HasMoved = true;
            ring.CallDescriptor = CallDescriptor(index);
        }

        _connection!.StartRing(index, setup, at, ring.Kick.Fd, ring.CallDescriptor, ring.Error.Fd);
        _isServing = true;
        // What the driver offered and what it was given before anybody listened.
        ring.Kick.Signal();
        if (isAgain) EventFd.SignalDescriptor(ring.CallDescriptor);
    }

    private void StopServing(int index)
    {
        uint at = _connection!.StopRing(index);
        lock (_gate)
        {
            FrontRing ring = _rings[index];
            ring.Position = VhostUserConnection.PositionOf(at, IsPacked);
            ring.IsServed = ring.IsOwed = ring.HasMoved = false;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>What a back end must know before the first ring.</summary>
    private void Prepare()
    {
        GuestMemory memory;
        ulong features;
        lock (_gate) (memory, features) = (_device!.Memory, _features);
        if (_sentFeatures != features)
        {
            _connection!.SetFeatures(features);
            _sentFeatures = features;
            if (_connection.Has(VhostUserProtocolFeatures.STATUS))
                _connection.SetStatus((byte)(VirtioStatus.ACKNOWLEDGE | VirtioStatus.DRIVER | VirtioStatus.FEATURES_OK | VirtioStatus.DRIVER_OK));
        }

        if (_hasInflight && !_isInflightSent)
        {
            _inflight ??= _connection!.GetInflight(QueueCount, QueueSize);
            _connection!.SetInflight(_inflight.Value.Description, _inflight.Value.File);
            _isInflightSent = true;
        }

        if (_sharedMemory == memory) return;
        _connection!.SetMemory(memory.Regions);
        _sharedMemory = memory;
    }

    /// <summary>A split ring tells how far its server had come; a packed one does not, and its account does.</summary>
    private VirtRingPosition PositionInMemory(FrontRing ring)
    {
        if (IsPacked || !_device!.Memory.TryReadAcquire(new GuestAddress(ring.Setup.Used + UsedIndexOffset), out ushort used)) return ring.Position;
        return new(used, used, used);
    }

    private void ConvergeCalls()
    {
        for (int i = 0; i < _rings.Length; i++)
        {
            FrontRing ring = _rings[i];
            if (!ring.IsServed) continue;
            int descriptor = CallDescriptor(i);
            if (descriptor == ring.CallDescriptor) continue;
            ring.CallDescriptor = descriptor;
            _connection!.SetCall(i, descriptor);
            // An interrupt may have gone to where nobody looks any more.
            EventFd.SignalDescriptor(descriptor);
        }
    }

    private int CallDescriptor(int index)
    {
        int direct = Volatile.Read(ref _activation)?.Calls!.Descriptor(index) ?? -1;
        return direct >= 0 ? direct : _rings[index].Call.Fd;
    }

    /// <summary>Hears what the back end has to say by itself, and whether it is there.</summary>
    private void Listen()
    {
        if (Volatile.Read(ref _isGone)) throw new VhostUserException("it has closed the connection");
        if (_backend is null) return;
        using VhostUserMessage message = new();
        bool isChanged = false;
        for (int heard = 0; !_backend.IsEnded && _backend.HasBytes && message.TryReceive(_backend, 0); heard++)
        {
            // One that talks without end would keep this thread from all else.
            if (heard == MostHeard)
            {
                CallsChanged();
                break;
            }

            isChanged |= message.Request == (uint)VhostUserBackendRequest.CONFIG_CHANGE_MSG;
            if (!message.NeedsReply) continue;
            ulong refusal = message.Request == (uint)VhostUserBackendRequest.CONFIG_CHANGE_MSG ? 0UL : 1;
            _ = message.Begin(message.Request, VhostUserFlags.Reply).Add(refusal).TrySend(_backend, [], 0);
        }

        if (isChanged) RefreshConfig();
    }

    private void RefreshConfig()
    {
        if (!_hasConfig) return;
        if (FetchConfig(_connection!)) Volatile.Read(ref _activation)?.ConfigChanged();
    }

    private bool FetchConfig(VhostUserConnection connection)
    {
        Span<byte> config = stackalloc byte[_config.Length];
        connection.GetConfig(config);
        Profile.AdjustConfig(QueueCount, config);
        lock (_gate)
        {
            // What the driver has written and the back end has not got yet stands.
            for (int i = 0; i < config.Length; i++)
            {
                if (_isWritten[i]) config[i] = _config[i];
            }

            if (config.SequenceEqual(_config)) return false;
            config.CopyTo(_config);
            return true;
        }
    }
}
