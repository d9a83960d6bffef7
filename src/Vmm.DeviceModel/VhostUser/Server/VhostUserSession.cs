using System.Runtime.InteropServices;
using Vmm.DeviceModel.VhostUser.Inflight;
using Vmm.DeviceModel.VhostUser.Messages;
using Vmm.Devices.Virtio;
using Vmm.Host;

namespace Vmm.DeviceModel.VhostUser.Server;

/// <summary>One connection of a front end, from its first message to its end, on one thread. Each message is judged before anything follows from it.</summary>
internal sealed partial class VhostUserSession : IDisposable
{
    private const int ReplyTimeoutMs = 10_000;
    private const uint VringIndexMask = 0xff, VringNoFile = 1 << 8;
    private const ulong Refused = 1;

    private readonly VhostUserServer _server;
    private readonly UnixChannel _channel;
    private readonly ServedMemory _memory;
    private readonly VhostUserMessage _message = new();
    private readonly VhostUserMessage _reply = new();
    private readonly List<LinuxFile> _lent = [];
    private readonly Lock _backendGate = new();
    private UnixChannel? _backend;
    private InflightRegion? _inflight;
    private DirtyPageLog? _log;
    private VhostUserProtocolFeatures _protocol;
    private ulong _features;
    private ulong _status;
    private bool _isActive;

    public VhostUserSession(VhostUserServer server, UnixChannel channel)
    {
        (_server, _channel) = (server, channel);
        _memory = new ServedMemory(server.Memory);
    }

    private bool IsPacked => (_features & VirtioFeatures.VIRTIO_F_RING_PACKED) != 0;

    /// <summary>Serves until the end. Null when the front end ended it, else why it was ended.</summary>
    public string? Run()
    {
        while (_message.TryReceive(_channel, UnixChannel.Forever))
        {
            if (TryObey() is { } problem) return $"{(VhostUserRequest)_message.Request}: {problem}";
        }

        return null;
    }

    /// <summary>Ends it from another thread.</summary>
    public void Stop() => _channel.Shutdown();

    /// <summary>Waits for the requests that are under way and forgets the front end.</summary>
    public void Dispose()
    {
        ResetDevice();
        foreach (ServedRing ring in _server.Rings) ring.Dispose();
        _server.Memory.SetDirtyLog(null);
        _log?.Dispose();
        _inflight?.Dispose();
        _memory.Dispose();
        SetBackend(null);
        _message.Dispose();
        _reply.Dispose();
        _channel.Dispose();
    }

    /// <summary>Keeps what the driver has chosen for a successor. While a request of the driver's is under way, which holds the memory for it.</summary>
    public void KeepState()
    {
        if (_inflight is not null && _server.State is { } state && !_inflight.TryKeep(state.Save())) _server.Note($"{_server.Device.Name}: a successor will not know what the driver has chosen");
    }

    /// <summary>Tells the front end that the configuration has changed. Any thread, any lock; never waits.</summary>
    public void ConfigChanged()
    {
        lock (_backendGate)
        {
            // Where there is no room, there are others of the same content still to be read.
            if (_backend is null || (_protocol & VhostUserProtocolFeatures.CONFIG) == 0) return;
            using VhostUserMessage message = new();
            _ = message.Begin((uint)VhostUserBackendRequest.CONFIG_CHANGE_MSG, VhostUserFlags.None).TrySend(_backend, [], 0);
        }
    }

    private string? TryObey()
    {
        try
        {
            return Obey();
        }
        catch (LinuxException e)
        {
            return e.Message;
        }
    }

    /// <summary>Carries a message out. Null, or why the connection must end.</summary>
    private string? Obey()
    {
        if ((_message.Flags & VhostUserFlags.Reply) != 0) return "an answer to nothing";
        _reply.Begin(_message.Request, VhostUserFlags.Reply);
        _lent.Clear();
        Verdict verdict = Dispatch((VhostUserRequest)_message.Request);
        if (verdict.Kind == VerdictKind.Answered) return Send();
        if (verdict.Problem is not null && verdict.Kind == VerdictKind.Malformed) return verdict.Problem;
        if (_message.NeedsReply && (_protocol & VhostUserProtocolFeatures.REPLY_ACK) != 0)
        {
            if (verdict.Problem is not null) _server.Note($"{_server.Device.Name}: {(VhostUserRequest)_message.Request} is refused: {verdict.Problem}");
            _reply.Add(verdict.Problem is null ? 0UL : Refused);
            return Send();
        }

        // A front end that does not ask would believe that it was done.
        return verdict.Problem;
    }

    private string? Send()
    {
        Span<int> descriptors = stackalloc int[UnixChannel.MostDescriptors];
        for (int i = 0; i < _lent.Count; i++) descriptors[i] = _lent[i].Fd;
        bool isSent = _reply.TrySend(_channel, descriptors[.._lent.Count], ReplyTimeoutMs);
        foreach (LinuxFile file in _lent) file.Dispose();
        return isSent ? null : "the answer is not taken";
    }

    private Verdict Dispatch(VhostUserRequest request) => request switch
    {
        VhostUserRequest.GET_FEATURES => Answer(_server.OfferedFeatures),
        VhostUserRequest.SET_FEATURES => WithNumber(SetFeatures),
        VhostUserRequest.SET_OWNER or VhostUserRequest.RESET_OWNER => Verdict.Done,
        VhostUserRequest.SET_MEM_TABLE => SetMemoryTable(),
        VhostUserRequest.SET_LOG_BASE when Has(VhostUserProtocolFeatures.LOG_SHMFD) => SetLogBase(),
        VhostUserRequest.SET_LOG_FD => _message.TakeFile() is { } file ? Ignore(file) : Verdict.Malformed("needs one descriptor"),
        VhostUserRequest.SET_VRING_NUM => WithRing((ring, number) => SetSize(ring, number)),
        VhostUserRequest.SET_VRING_ADDR => SetAddresses(),
        VhostUserRequest.SET_VRING_BASE => WithRing((ring, number) => SetBase(ring, number)),
        VhostUserRequest.GET_VRING_BASE => WithRing((ring, _) => GetBase(ring)),
        VhostUserRequest.SET_VRING_KICK => WithRingFile(SetKick),
        VhostUserRequest.SET_VRING_CALL => WithRingFile(SetCall),
        VhostUserRequest.SET_VRING_ERR => WithRingFile(SetError),
        VhostUserRequest.GET_PROTOCOL_FEATURES => Answer((ulong)VhostUserProtocolFeatures.All),
        VhostUserRequest.SET_PROTOCOL_FEATURES => WithNumber(SetProtocolFeatures),
        VhostUserRequest.GET_QUEUE_NUM when Has(VhostUserProtocolFeatures.MQ) => Answer((ulong)_server.Rings.Length),
        VhostUserRequest.SET_VRING_ENABLE => WithRing((ring, number) => SetEnabled(ring, number)),
        VhostUserRequest.SET_BACKEND_REQ_FD when Has(VhostUserProtocolFeatures.BACKEND_REQ) => SetBackendChannel(),
        VhostUserRequest.GET_CONFIG when Has(VhostUserProtocolFeatures.CONFIG) => GetConfig(),
        VhostUserRequest.SET_CONFIG when Has(VhostUserProtocolFeatures.CONFIG) => SetConfig(),
        VhostUserRequest.GET_INFLIGHT_FD when Has(VhostUserProtocolFeatures.INFLIGHT_SHMFD) => GetInflight(),
        VhostUserRequest.SET_INFLIGHT_FD when Has(VhostUserProtocolFeatures.INFLIGHT_SHMFD) => SetInflight(),
        VhostUserRequest.RESET_DEVICE when Has(VhostUserProtocolFeatures.RESET_DEVICE) => ResetDevice(),
        VhostUserRequest.GET_MAX_MEM_SLOTS when Has(VhostUserProtocolFeatures.CONFIGURE_MEM_SLOTS) => Answer(ServedMemory.MostRegions),
        VhostUserRequest.ADD_MEM_REG when Has(VhostUserProtocolFeatures.CONFIGURE_MEM_SLOTS) => AddMemory(),
        VhostUserRequest.REM_MEM_REG when Has(VhostUserProtocolFeatures.CONFIGURE_MEM_SLOTS) => RemoveMemory(),
        VhostUserRequest.SET_STATUS when Has(VhostUserProtocolFeatures.STATUS) => WithNumber(SetStatus),
        VhostUserRequest.GET_STATUS when Has(VhostUserProtocolFeatures.STATUS) => Answer(_status),
        _ => Verdict.Malformed($"message {(uint)request} is not understood, or not agreed"),
    };

    private bool Has(VhostUserProtocolFeatures feature) => (_protocol & feature) != 0;

    private Verdict Answer(ulong value)
    {
        _reply.Add(value);
        return Verdict.Answered;
    }

    private static Verdict Ignore(LinuxFile file)
    {
        file.Dispose();
        return Verdict.Done;
    }

    private Verdict WithNumber(Func<ulong, Verdict> act)
        => _message.TryGet(out ulong value) ? act(value) : Verdict.Malformed("a number is needed");

    private Verdict WithRing(Func<ServedRing, uint, Verdict> act)
    {
        if (!_message.TryGet(out VringState state)) return Verdict.Malformed("a ring and a number are needed");
        return state.Index < _server.Rings.Length ? act(_server.Rings[state.Index], state.Number) : Verdict.Malformed($"there is no ring {state.Index}");
    }

    /// <summary>With an eventfd, or with none where the message says so.</summary>
    private Verdict WithRingFile(Func<ServedRing, LinuxFile?, Verdict> act)
    {
        if (!_message.TryGet(out ulong value)) return Verdict.Malformed("a number is needed");
        uint index = (uint)value & VringIndexMask;
        bool hasFile = ((uint)value & VringNoFile) == 0;
        if (index >= _server.Rings.Length) return Verdict.Malformed($"there is no ring {index}");
        if (_message.Files.Count != (hasFile ? 1 : 0)) return Verdict.Malformed($"{_message.Files.Count} descriptors came");
        LinuxFile? file = _message.TakeFile();
        if (file is null || EventFd.Is(file)) return act(_server.Rings[index], file);
        file.Dispose();
        return Verdict.Malformed("the descriptor is no eventfd");
    }

    private Verdict SetFeatures(ulong features)
    {
        if ((features & ~_server.OfferedFeatures) != 0) return Verdict.No($"features 0x{features & ~_server.OfferedFeatures:x} were not offered");
        const ulong OfProtocol = VhostUserFeatures.VHOST_F_LOG_ALL | VhostUserFeatures.VHOST_USER_F_PROTOCOL_FEATURES;
        bool isOther = (features & ~OfProtocol) != (_features & ~OfProtocol);
        if (isOther && Array.Exists(_server.Rings, ring => ring.IsStarted)) return Verdict.No("features cannot change while rings are started");
        if (!_server.Device.Accepts(features)) return Verdict.No($"features 0x{features:x} do not go together");
        // It begins anew with what it was told.
        if (isOther) ResetDevice();
        _features = features;
        _server.Memory.SetDirtyLog((features & VhostUserFeatures.VHOST_F_LOG_ALL) != 0 ? _log : null);
        return Verdict.Done;
    }

    private Verdict SetProtocolFeatures(ulong features)
    {
        if ((features & ~(ulong)VhostUserProtocolFeatures.All) != 0) return Verdict.No($"protocol features 0x{features & ~(ulong)VhostUserProtocolFeatures.All:x} were not offered");
        _protocol = (VhostUserProtocolFeatures)features;
        return Verdict.Done;
    }

    private Verdict SetMemoryTable()
    {
        Span<byte> payload = _message.Payload;
        if (payload.Length < MemoryRegionDescription.PrefixBytes) return Verdict.Malformed("a table is needed");
        uint count = MemoryMarshal.Read<uint>(payload);
        ReadOnlySpan<byte> table = payload[MemoryRegionDescription.PrefixBytes..];
        if (count > MemoryRegionDescription.MostInTable || table.Length < (int)count * MemoryRegionDescription.Bytes || _message.Files.Count != count)
            return Verdict.Malformed($"{count} regions in {table.Length} bytes with {_message.Files.Count} descriptors");
        MemoryRegionDescription[] regions = MemoryMarshal.Cast<byte, MemoryRegionDescription>(table[..((int)count * MemoryRegionDescription.Bytes)]).ToArray();
        return ChangeMemory(() => _memory.Set(regions, _message.Files));
    }

    private Verdict AddMemory()
    {
        if (!TryGetRegion(out MemoryRegionDescription region) || _message.Files.Count != 1) return Verdict.Malformed("one region with one descriptor is needed");
        return ChangeMemory(() => _memory.Add(region, _message.Files[0]));
    }

    private Verdict RemoveMemory()
    {
        // Some front ends send a descriptor, of which there is no need.
        if (!TryGetRegion(out MemoryRegionDescription region) || _message.Files.Count > 1) return Verdict.Malformed("one region is needed");
        return ChangeMemory(() => _memory.Remove(region));
    }

    private bool TryGetRegion(out MemoryRegionDescription region)
    {
        ReadOnlySpan<byte> payload = _message.Payload;
        bool isGood = payload.Length == MemoryRegionDescription.PrefixBytes + MemoryRegionDescription.Bytes;
        region = isGood ? MemoryMarshal.Read<MemoryRegionDescription>(payload[MemoryRegionDescription.PrefixBytes..]) : default;
        return isGood;
    }

    private Verdict SetLogBase()
    {
        if (!_message.TryGet(out LogDescription log)) return Verdict.Malformed("size and offset are needed");
        if (_message.TakeFile() is not { } file) return Verdict.Malformed("one descriptor is needed");
        using (file)
        {
            try
            {
                DirtyPageLog next = new(SharedMapping.Map(file, log.Offset, log.SizeBytes, "the log"));
                WithRingsHeld(() =>
                {
                    bool isOn = (_features & VhostUserFeatures.VHOST_F_LOG_ALL) != 0;
                    _server.Memory.SetDirtyLog(isOn ? next : null);
                    _log?.Dispose();
                    _log = next;
                });
            }
            catch (LinuxException e)
            {
                return Verdict.No(e.Message);
            }
        }

        // This one is answered whether or not it was asked to be.
        return Answer(0);
    }

    private Verdict SetBackendChannel()
    {
        if (_message.TakeFile() is not { } file) return Verdict.Malformed("one descriptor is needed");
        SetBackend(new UnixChannel(file));
        return Verdict.Done;
    }

    private void SetBackend(UnixChannel? channel)
    {
        lock (_backendGate) (_backend, channel) = (channel, _backend);
        channel?.Dispose();
    }

    private Verdict GetConfig()
    {
        ReadOnlySpan<byte> payload = _message.Payload;
        if (payload.Length < ConfigHeader.Bytes) return Verdict.Malformed("a header is needed");
        ConfigHeader header = MemoryMarshal.Read<ConfigHeader>(payload);
        // No payload says that it cannot be.
        if (header.SizeBytes > ConfigHeader.MostConfigBytes || header.Offset > ConfigHeader.MostConfigBytes) return Verdict.Answered;
        Span<byte> config = stackalloc byte[(int)header.SizeBytes];
        config.Clear();
        // Front ends ask for what the longest version of the standard has.
        uint there = _server.Device.ConfigBytes;
        uint count = header.Offset < there ? Math.Min(header.SizeBytes, there - header.Offset) : 0;
        if (count != 0) _server.Device.ReadConfig(header.Offset, config[..(int)count]);
        _reply.Add(header).Add(config);
        return Verdict.Answered;
    }

    private Verdict SetConfig()
    {
        ReadOnlySpan<byte> payload = _message.Payload;
        if (payload.Length < ConfigHeader.Bytes) return Verdict.Malformed("a header is needed");
        ConfigHeader header = MemoryMarshal.Read<ConfigHeader>(payload);
        ReadOnlySpan<byte> config = payload[ConfigHeader.Bytes..];
        if (header.SizeBytes != config.Length) return Verdict.Malformed($"{header.SizeBytes} bytes were announced and {config.Length} came");
        uint there = _server.Device.ConfigBytes;
        if (header.Offset > there || header.SizeBytes > there - header.Offset) return Verdict.No($"there is no configuration at {header.Offset} with {header.SizeBytes} bytes");
        _server.Device.WriteConfig(header.Offset, config);
        return Verdict.Done;
    }

    private Verdict GetInflight()
    {
        if (!_message.TryGet(out InflightDescription wanted) || !IsPossible(wanted)) return Verdict.Malformed($"{wanted.Queues} queues of {wanted.QueueSize} entries cannot be");
        if (Array.Exists(_server.Rings, ring => ring.IsStarted)) return Verdict.Malformed("rings are started");
        try
        {
            InflightRegion region = InflightRegion.Create(wanted.Queues, wanted.QueueSize, out LinuxFile file);
            _inflight?.Dispose();
            _inflight = region;
            _lent.Add(file);
            _reply.Add(wanted with { SizeBytes = region.SizeBytes, Offset = 0 });
        }
        catch (LinuxException e)
        {
            return Verdict.Malformed(e.Message);
        }

        return Verdict.Answered;
    }

    private Verdict SetInflight()
    {
        if (!_message.TryGet(out InflightDescription description) || !IsPossible(description)) return Verdict.Malformed("no such in-flight memory can be");
        if (_message.TakeFile() is not { } file) return Verdict.Malformed("one descriptor is needed");
        using (file)
        {
            if (Array.Exists(_server.Rings, ring => ring.IsStarted)) return Verdict.No("rings are started");
            try
            {
                InflightRegion region = InflightRegion.Map(file, description);
                _inflight?.Dispose();
                _inflight = region;
                return Verdict.Done;
            }
            catch (LinuxException e)
            {
                return Verdict.No(e.Message);
            }
        }
    }

    private bool IsPossible(in InflightDescription description)
        => description.Queues >= 1 && description.Queues <= _server.Rings.Length
            && description.QueueSize >= 1 && description.QueueSize <= _server.Rings.Max(ring => ring.Queue.MaxSize);

    private Verdict SetStatus(ulong status)
    {
        if (status == 0) ResetDevice();
        _status = status & byte.MaxValue;
        return Verdict.Done;
    }
}
