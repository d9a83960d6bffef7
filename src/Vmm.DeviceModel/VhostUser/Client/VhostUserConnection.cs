using Vmm.Core.Memory;
using Vmm.DeviceModel.VhostUser.Messages;
using Vmm.Devices.Virtio.Queue;
using Vmm.Host;

namespace Vmm.DeviceModel.VhostUser.Client;

/// <summary>
/// A front end's end of one connection: each method is a message, with its answer where there is one. One thread at a time. After an
/// exception the connection is of no use.
/// </summary>
internal sealed class VhostUserConnection : IDisposable
{
    /// <summary>
    /// Added to guest-physical addresses to make the "user" addresses of the protocol: they need mean nothing but to be told apart, and
    /// 0 may mean none.
    /// </summary>
    public const ulong UserBase = 1UL << 46;

    private const int PackedUsedShift = 16;

    private readonly VhostUserMessage _message = new();
    private readonly int _timeoutMs;

    /// <param name="channel">The connection; becomes this object's.</param>
    /// <param name="timeoutMs">How long the back end has for each answer.</param>
    public VhostUserConnection(UnixChannel channel, int timeoutMs = 60_000) => (Channel, _timeoutMs) = (channel, timeoutMs);

    /// <summary>The socket.</summary>
    public UnixChannel Channel { get; }

    /// <summary>What the back end offers, after <see cref="Negotiate"/>.</summary>
    public ulong Features { get; private set; }

    /// <summary>What both ends can do.</summary>
    public VhostUserProtocolFeatures Protocol { get; private set; }

    /// <summary>Queues that the back end serves; a back end that does not say has at least two.</summary>
    public int Queues { get; private set; } = 2;

    public bool Has(VhostUserProtocolFeatures feature) => (Protocol & feature) != 0;

    /// <summary>The first messages: whose it is and what both ends can do.</summary>
    public void Negotiate()
    {
        Send(VhostUserRequest.SET_OWNER);
        Features = Ask(VhostUserRequest.GET_FEATURES);
        if ((Features & VhostUserFeatures.VHOST_USER_F_PROTOCOL_FEATURES) == 0) return;
        VhostUserProtocolFeatures protocol = (VhostUserProtocolFeatures)Ask(VhostUserRequest.GET_PROTOCOL_FEATURES) & VhostUserProtocolFeatures.All;
        SendNumber(VhostUserRequest.SET_PROTOCOL_FEATURES, (ulong)protocol);
        Protocol = protocol;
        if (Has(VhostUserProtocolFeatures.MQ)) Queues = (int)Math.Min(Ask(VhostUserRequest.GET_QUEUE_NUM), byte.MaxValue + 1);
    }

    /// <summary>Says what was negotiated with the driver.</summary>
    public void SetFeatures(ulong features) => SendNumber(VhostUserRequest.SET_FEATURES, features | (Features & VhostUserFeatures.VHOST_USER_F_PROTOCOL_FEATURES));

    /// <summary>Shares guest memory, as far as it can be shared.</summary>
    public void SetMemory(ReadOnlySpan<GuestMemoryRegion> regions)
    {
        List<(MemoryRegionDescription Region, int Descriptor)> shared = [];
        foreach (GuestMemoryRegion region in regions)
        {
            if (region.FileDescriptor >= 0 && !region.IsReadOnly) shared.Add((Describe(region), region.FileDescriptor));
        }

        if (shared.Count > MemoryRegionDescription.MostInTable)
        {
            if (!Has(VhostUserProtocolFeatures.CONFIGURE_MEM_SLOTS)) throw new VhostUserException($"the back end takes {MemoryRegionDescription.MostInTable} regions of memory, and there are {shared.Count}");
            foreach ((MemoryRegionDescription region, int descriptor) in shared) AddMemory(region, descriptor);
            return;
        }

        Begin(VhostUserRequest.SET_MEM_TABLE).Add((uint)shared.Count).Add(0u);
        foreach ((MemoryRegionDescription region, _) in shared) _message.Add(region);
        Finish([.. shared.Select(s => s.Descriptor)]);
    }

    public static MemoryRegionDescription Describe(GuestMemoryRegion region) => new(region.Start.Value, region.SizeBytes, UserBase + region.Start.Value, region.FileOffset);

    public void AddMemory(in MemoryRegionDescription region, int descriptor)
    {
        Begin(VhostUserRequest.ADD_MEM_REG).Add(0UL).Add(region);
        Finish([descriptor]);
    }

    public void RemoveMemory(in MemoryRegionDescription region)
    {
        Begin(VhostUserRequest.REM_MEM_REG).Add(0UL).Add(region);
        Finish([]);
    }

    public ulong GetMemorySlots() => Ask(VhostUserRequest.GET_MAX_MEM_SLOTS);

    /// <summary>Has written pages noted in a bitmap, once VHOST_F_LOG_ALL is among the features.</summary>
    public void SetLog(LinuxFile file, ulong sizeBytes)
    {
        _message.Begin((uint)VhostUserRequest.SET_LOG_BASE, VhostUserFlags.None).Add(new LogDescription(sizeBytes, 0));
        Transmit([file.Fd]);
        // Answered always, with or without a number in it.
        Receive(VhostUserRequest.SET_LOG_BASE);
    }

    /// <summary>Names the socket on which the back end may ask for something.</summary>
    public void SetBackendChannel(UnixChannel channel)
    {
        Begin(VhostUserRequest.SET_BACKEND_REQ_FD);
        Finish([channel.Fd]);
    }

    /// <summary>Has a ring served.</summary>
    public void StartRing(int index, in VirtQueueSetup setup, uint at, int kick, int call, int error)
    {
        SendRing(VhostUserRequest.SET_VRING_NUM, index, setup.Size);
        Begin(VhostUserRequest.SET_VRING_ADDR).Add(new VringAddresses((uint)index, 0, UserBase + setup.Descriptors, UserBase + setup.Used, UserBase + setup.Available, setup.Used));
        Finish([]);
        SendRing(VhostUserRequest.SET_VRING_BASE, index, at);
        SetRingFile(VhostUserRequest.SET_VRING_ERR, index, error);
        SetCall(index, call);
        SetRingFile(VhostUserRequest.SET_VRING_KICK, index, kick);
        SetEnabled(index, true);
    }

    /// <summary>Says which eventfd interrupts the driver.</summary>
    public void SetCall(int index, int descriptor) => SetRingFile(VhostUserRequest.SET_VRING_CALL, index, descriptor);

    public void SetEnabled(int index, bool isOn)
    {
        if ((Features & VhostUserFeatures.VHOST_USER_F_PROTOCOL_FEATURES) != 0) SendRing(VhostUserRequest.SET_VRING_ENABLE, index, isOn ? 1u : 0);
    }

    /// <summary>Stops a ring, after what is under way has ended.</summary>
    /// <returns>Where it stands, in the protocol's form.</returns>
    public uint StopRing(int index)
    {
        _message.Begin((uint)VhostUserRequest.GET_VRING_BASE, VhostUserFlags.None).Add(new VringState((uint)index, 0));
        Transmit([]);
        Receive(VhostUserRequest.GET_VRING_BASE);
        if (!_message.TryGet(out VringState state) || state.Index != index) throw Nonsense(VhostUserRequest.GET_VRING_BASE);
        return state.Number;
    }

    /// <summary>Reads configuration.</summary>
    public void GetConfig(Span<byte> config)
    {
        _message.Begin((uint)VhostUserRequest.GET_CONFIG, VhostUserFlags.None).Add(new ConfigHeader(0, (uint)config.Length, 0)).Add(config);
        Transmit([]);
        Receive(VhostUserRequest.GET_CONFIG);
        ReadOnlySpan<byte> payload = _message.Payload;
        if (payload.Length != ConfigHeader.Bytes + config.Length) throw new VhostUserException("the back end does not tell the device's configuration: is it of the kind that was said?");
        payload[ConfigHeader.Bytes..].CopyTo(config);
    }

    public void SetConfig(uint offset, ReadOnlySpan<byte> bytes)
    {
        Begin(VhostUserRequest.SET_CONFIG).Add(new ConfigHeader(offset, (uint)bytes.Length, 0)).Add(bytes);
        Finish([]);
    }

    /// <summary>Gets memory in which the back end keeps account of what is under way.</summary>
    public (InflightDescription Description, LinuxFile File) GetInflight(int queues, ushort queueSize)
    {
        _message.Begin((uint)VhostUserRequest.GET_INFLIGHT_FD, VhostUserFlags.None).Add(new InflightDescription(0, 0, (ushort)queues, queueSize));
        Transmit([]);
        Receive(VhostUserRequest.GET_INFLIGHT_FD);
        if (!_message.TryGet(out InflightDescription description) || _message.TakeFile() is not { } file) throw Nonsense(VhostUserRequest.GET_INFLIGHT_FD);
        return (description, file);
    }

    public void SetInflight(in InflightDescription description, LinuxFile file)
    {
        Begin(VhostUserRequest.SET_INFLIGHT_FD).Add(description);
        Finish([file.Fd]);
    }

    public void SetStatus(byte status) => SendNumber(VhostUserRequest.SET_STATUS, status);

    public byte GetStatus() => (byte)Ask(VhostUserRequest.GET_STATUS);

    /// <summary>Has the back end forget the driver. Without effect where it cannot.</summary>
    public void Reset()
    {
        if (Has(VhostUserProtocolFeatures.STATUS)) SetStatus(0);
        else if (Has(VhostUserProtocolFeatures.RESET_DEVICE)) Send(VhostUserRequest.RESET_DEVICE);
    }

    /// <summary>A place in a ring in the protocol's form.</summary>
    public static uint BaseOf(in VirtRingPosition position, bool isPacked)
        => isPacked ? position.NextAvailable | ((uint)position.NextUsed << PackedUsedShift) : position.NextAvailable;

    public static VirtRingPosition PositionOf(uint at, bool isPacked)
    {
        ushort used = isPacked ? (ushort)(at >> PackedUsedShift) : (ushort)at;
        return new((ushort)at, used, used);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _message.Dispose();
        Channel.Dispose();
    }

    private static VhostUserException Nonsense(VhostUserRequest request) => new($"the back end's answer to {request} makes no sense");

    private void Send(VhostUserRequest request)
    {
        Begin(request);
        Finish([]);
    }

    private void SendNumber(VhostUserRequest request, ulong value)
    {
        Begin(request).Add(value);
        Finish([]);
    }

    private void SendRing(VhostUserRequest request, int index, uint number)
    {
        Begin(request).Add(new VringState((uint)index, number));
        Finish([]);
    }

    private void SetRingFile(VhostUserRequest request, int index, int descriptor)
    {
        Begin(request).Add((ulong)index);
        Finish([descriptor]);
    }

    private ulong Ask(VhostUserRequest request)
    {
        _message.Begin((uint)request, VhostUserFlags.None);
        Transmit([]);
        Receive(request);
        return _message.TryGet(out ulong value) ? value : throw Nonsense(request);
    }

    private VhostUserMessage Begin(VhostUserRequest request)
        => _message.Begin((uint)request, Has(VhostUserProtocolFeatures.REPLY_ACK) ? VhostUserFlags.NeedReply : VhostUserFlags.None);

    private void Finish(ReadOnlySpan<int> descriptors)
    {
        VhostUserRequest request = (VhostUserRequest)_message.Request;
        bool isAnswered = _message.NeedsReply;
        Transmit(descriptors);
        if (!isAnswered) return;
        Receive(request);
        if (!_message.TryGet(out ulong refusal)) throw Nonsense(request);
        if (refusal != 0) throw new VhostUserException($"the back end refuses {request}");
    }

    private void Transmit(ReadOnlySpan<int> descriptors)
    {
        if (!_message.TrySend(Channel, descriptors, _timeoutMs)) throw new VhostUserException("the back end is gone");
    }

    private void Receive(VhostUserRequest request)
    {
        if (!_message.TryReceive(Channel, _timeoutMs)) throw new VhostUserException($"the back end does not answer {request}");
        bool isReply = (_message.Flags & VhostUserFlags.Reply) != 0 && _message.Request == (uint)request;
        if (!isReply) throw Nonsense(request);
    }
}
