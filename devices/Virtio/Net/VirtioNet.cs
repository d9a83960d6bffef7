using System.Buffers.Binary;
using System.Numerics;
using Vmm.Core.Backends;
using Vmm.Core.State;
using Vmm.Core.Time;
using static Vmm.Devices.Virtio.Net.VirtioNetRegisters;

namespace Vmm.Devices.Virtio.Net;

/// <summary>
/// The network device (virtio 1.2 §5.1): several pairs of queues, checksum and segmentation offloads in both directions, mergeable
/// buffers, a control queue with filters, MTU, link state, announcement. The link itself is an <see cref="INetBackend"/>.
/// </summary>
/// <remarks>Lock order: the core's, then this device's, then the backend's own.</remarks>
public sealed class VirtioNet : IVirtioDevice, INetReceiver, IStateful<VirtioNetState>, IDisposable
{
    private const ushort NetworkDevice = 1;
    private const uint EthernetController = 0x020000;
    private const int MostPairs = 64;
    private const ushort LeastQueueSize = 16, MostQueueSize = 1024, ControlQueueSize = 64;
    private const ushort LeastMtu = 68;

    private readonly Lock _gate = new();
    private readonly INetBackend _backend;
    private readonly VirtioNetOptions _options;
    private readonly NetReceiver[] _receivers;
    private readonly NetTransmitter[] _transmitters;
    private readonly NetController _controller;
    private readonly ushort[] _queueSizes;
    private VirtioActivation? _activation;
    private NetFilter _filter;
    private VirtioNetState? _restored;
    private ulong _guestOffloads;
    private int _receiveOffloads, _sendOffloads, _pairs = 1;
    private bool _isLinkOff, _isAnnouncing;

    /// <param name="backend">The link. Stays the caller's.</param>
    /// <param name="options">What it shows beside the link.</param>
    /// <param name="workers">Who moves frames: two workers for each pair of queues, one for the control queue.</param>
    /// <param name="receiveLimit">What the guest may receive: frames, and their bytes. Stays the caller's.</param>
    /// <param name="sendLimit">What it may send.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public VirtioNet(INetBackend backend, VirtioNetOptions options, IWorkers workers, RateLimiter? receiveLimit = null, RateLimiter? sendLimit = null)
    {
        if (options.QueuePairs is < 1 or > MostPairs) throw new ArgumentException($"a network device has 1 to {MostPairs} pairs of queues, not {options.QueuePairs}", nameof(options));
        if (options.QueueSize is < LeastQueueSize or > MostQueueSize || !BitOperations.IsPow2(options.QueueSize))
            throw new ArgumentException($"a queue's size is a power of two from {LeastQueueSize} to {MostQueueSize}, not {options.QueueSize}", nameof(options));
        if (options.Mtu is > 0 and < LeastMtu) throw new ArgumentException($"an MTU of {options.Mtu} is less than {LeastMtu}", nameof(options));
        if (options.Mac.IsMulticast) throw new ArgumentException($"{options.Mac} is the address of a group", nameof(options));
        (_backend, _options, _filter) = (backend, options, new NetFilter { Own = options.Mac });
        int pairs = Math.Min(options.QueuePairs, backend.QueueCount);
        _receivers = [.. Enumerable.Range(0, pairs).Select(i => new NetReceiver(this, backend, i, workers, receiveLimit))];
        _transmitters = [.. Enumerable.Range(0, pairs).Select(i => new NetTransmitter(this, backend, i, options.QueueSize, workers, sendLimit))];
        _controller = new NetController(this, workers);
        _queueSizes = new ushort[pairs * QueuesPerPair + 1];
        Array.Fill(_queueSizes, options.QueueSize);
        _queueSizes[^1] = ControlQueueSize;
        receiveLimit?.Attach(WakeReceivers);
        sendLimit?.Attach(WakeTransmitters);
        backend.Configure(NetOffloads.None, 1);
        backend.Attach(this);
        backend.LinkChanged += ConfigChanged;
    }

    /// <summary>The driver has chosen something, and has not been told yet that it is done. Raised on the control queue's worker, without locks.</summary>
    public event Action? StateChanged;

    /// <inheritdoc/>
    public string Name => "virtio-net";

    /// <inheritdoc/>
    public ushort DeviceId => NetworkDevice;

    /// <inheritdoc/>
    public uint PciClass => EthernetController;

    /// <inheritdoc/>
    public ulong OfferedFeatures => FeaturesOf(_backend.Offloads & _options.Offloads) | Control | VirtioFeatures.VIRTIO_F_IN_ORDER
        | VIRTIO_NET_F_MAC | VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_SPEED_DUPLEX
        | (_options.Mtu != 0 ? VIRTIO_NET_F_MTU : 0)
        | (_receivers.Length > 1 ? VIRTIO_NET_F_MQ : 0);

    /// <summary>Cutting needs summing, ECN needs TCP to be cut, and every command needs its queue (§5.1.3.1).</summary>
    public bool Accepts(ulong features)
    {
        const ulong Tcp = VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6, HostTcp = VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6;
        const ulong Commands = VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_VLAN | VIRTIO_NET_F_GUEST_ANNOUNCE | VIRTIO_NET_F_MQ | VIRTIO_NET_F_CTRL_MAC_ADDR;
        return Needs(features, Tcp | VIRTIO_NET_F_GUEST_USO4 | VIRTIO_NET_F_GUEST_USO6, VIRTIO_NET_F_GUEST_CSUM)
            && Needs(features, HostTcp | VIRTIO_NET_F_HOST_USO, VIRTIO_NET_F_CSUM)
            && Needs(features, VIRTIO_NET_F_GUEST_ECN, Tcp) && Needs(features, VIRTIO_NET_F_HOST_ECN, HostTcp)
            && Needs(features, Commands, VIRTIO_NET_F_CTRL_VQ) && Needs(features, VIRTIO_NET_F_CTRL_RX_EXTRA, VIRTIO_NET_F_CTRL_VQ);
    }

    /// <inheritdoc/>
    public ReadOnlySpan<ushort> QueueSizes => _queueSizes;

    /// <inheritdoc/>
    public uint ConfigBytes => VirtioNetRegisters.ConfigBytes;

    /// <summary>What it has done.</summary>
    public VirtioNetStatistics Statistics
    {
        get
        {
            VirtioNetStatistics sum = default;
            foreach (NetReceiver receiver in _receivers) sum += receiver.Statistics;
            foreach (NetTransmitter transmitter in _transmitters) sum += transmitter.Statistics;
            return sum;
        }
    }

    /// <summary>Whether frames can pass: the link is up, and the host has not taken the cable out.</summary>
    public bool IsLinkUp => !Volatile.Read(ref _isLinkOff) && _backend.IsLinkUp;

    /// <summary>The driver that is ready; null without one.</summary>
    internal VirtioActivation? Activation => Volatile.Read(ref _activation);

    internal int PairsInUse => Volatile.Read(ref _pairs);

    /// <summary>Replaced as a whole, by the control queue's worker alone while a driver is there.</summary>
    internal NetFilter Filter
    {
        get => Volatile.Read(ref _filter);
        set => Volatile.Write(ref _filter, value);
    }

    /// <summary>What the driver takes undone now.</summary>
    internal NetOffloads ReceiveOffloads => (NetOffloads)Volatile.Read(ref _receiveOffloads);

    /// <summary>What the driver may leave undone.</summary>
    internal NetOffloads SendOffloads => (NetOffloads)Volatile.Read(ref _sendOffloads);

    /// <summary>Puts the cable in or takes it out. Any thread.</summary>
    public void SetLink(bool up)
    {
        lock (_gate)
        {
            if (_isLinkOff == !up) return;
            Volatile.Write(ref _isLinkOff, !up);
        }

        ConfigChanged();
    }

    /// <summary>Asks the driver to tell the network where it is now (§5.1.6.5.4). Any thread.</summary>
    public void Announce()
    {
        lock (_gate) _isAnnouncing = true;
        ConfigChanged();
    }

    /// <inheritdoc/>
    public void ReadConfig(uint offset, Span<byte> data)
    {
        Span<byte> config = stackalloc byte[VirtioNetRegisters.ConfigBytes];
        config.Clear();
        MacAddress mac = Activation is null ? _options.Mac : Filter.Own;
        mac.Write(config[Mac..]);
        int status = (IsLinkUp ? VIRTIO_NET_S_LINK_UP : 0) | (Volatile.Read(ref _isAnnouncing) ? VIRTIO_NET_S_ANNOUNCE : 0);
        BinaryPrimitives.WriteUInt16LittleEndian(config[Status..], (ushort)status);
        BinaryPrimitives.WriteUInt16LittleEndian(config[MaxVirtqueuePairs..], (ushort)_receivers.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(config[Mtu..], _options.Mtu);
        BinaryPrimitives.WriteUInt32LittleEndian(config[Speed..], _options.SpeedMbps);
        config[Duplex] = DuplexFull;
        config.Slice((int)offset, data.Length).CopyTo(data);
    }

    /// <summary>Nothing here is for a driver to write: addresses change through the control queue (§5.1.4.1).</summary>
    public void WriteConfig(uint offset, ReadOnlySpan<byte> data) { }

    /// <inheritdoc/>
    public void Activate(VirtioActivation activation)
    {
        lock (_gate)
        {
            Volatile.Write(ref _sendOffloads, (int)VirtioNetRegisters.SendOffloads(activation.Features));
            // All passes until the driver says what it wants, except that who can name VLANs has none at first.
            VirtioNetState state = _restored ?? new VirtioNetState
            {
                HasDriver = true,
                GuestOffloads = activation.Features & GuestOffloads,
                Mac = _options.Mac.Value,
                Mode = NetReceiveMode.Promiscuous,
                Vlans = activation.Has(VIRTIO_NET_F_CTRL_VLAN) ? new ulong[NetFilter.VlanWords] : [],
            };
            Adopt(state with { IsLinkOff = _isLinkOff, IsAnnouncing = _isAnnouncing });
            _restored = null;
            Volatile.Write(ref _activation, activation);
        }

        WakeReceivers();
        WakeTransmitters();
        _controller.Wake();
        // Asked before there was anyone to be told.
        if (Volatile.Read(ref _isAnnouncing)) activation.ConfigChanged();
    }

    /// <inheritdoc/>
    public void OnKick(int queue)
    {
        if (Activation is not { } activation) return;
        int control = ControlQueueOf(activation);
        if (queue == control) _controller.Wake();
        else if (queue > control) return;
        else if (queue % QueuesPerPair == 0) _receivers[queue / QueuesPerPair].Wake();
        else _transmitters[queue / QueuesPerPair].Wake();
    }

    /// <inheritdoc/>
    public int KickDescriptor(int queue) => WorkerOf(queue)?.WakeDescriptor ?? -1;

    /// <inheritdoc/>
    public bool TryListen(int queue, int descriptor) => WorkerOf(queue)?.TryListen(descriptor) ?? false;

    /// <inheritdoc/>
    public void StopListening(int queue, int descriptor) => WorkerOf(queue)?.StopListening(descriptor);

    /// <inheritdoc/>
    public void Reset()
    {
        lock (_gate)
        {
            Volatile.Write(ref _activation, null);
            _isAnnouncing = false;
            Volatile.Write(ref _sendOffloads, 0);
            SetOffloads(0, 1);
        }
    }

    /// <inheritdoc/>
    public void FramesReady(int queue)
    {
        if ((uint)queue < (uint)_receivers.Length) _receivers[queue].Wake();
    }

    /// <inheritdoc/>
    public void RoomToSend(int queue)
    {
        if ((uint)queue < (uint)_transmitters.Length) _transmitters[queue].Wake();
    }

    /// <inheritdoc/>
    public VirtioNetState Save()
    {
        lock (_gate)
        {
            if (_restored is not null) return _restored;
            if (_activation is null) return new() { IsLinkOff = _isLinkOff, IsAnnouncing = _isAnnouncing };
            NetFilter filter = Filter;
            return new()
            {
                HasDriver = true,
                QueuePairs = _pairs,
                GuestOffloads = _guestOffloads,
                IsLinkOff = _isLinkOff,
                IsAnnouncing = _isAnnouncing,
                Mac = filter.Own.Value,
                Mode = filter.Mode,
                Unicast = [.. filter.Unicast.Select(mac => mac.Value)],
                Multicast = [.. filter.Multicast.Select(mac => mac.Value)],
                Vlans = [.. filter.Vlans],
            };
        }
    }

    /// <summary>After the transport's; in a device without a driver before it, too: the state then waits for the driver that the transport brings back.</summary>
    public void Restore(VirtioNetState state)
    {
        bool isPossible = state.Version == VirtioNetState.CurrentVersion && state.QueuePairs >= 1 && state.QueuePairs <= _receivers.Length
            && state.Unicast.Length <= NetFilter.TableEntries && state.Multicast.Length <= NetFilter.TableEntries
            && state.Vlans.Length is 0 or NetFilter.VlanWords && (state.GuestOffloads & ~(OfferedFeatures & GuestOffloads)) == 0;
        if (!isPossible)
            throw new StateException($"virtio-net: state version {state.Version} with {state.QueuePairs} pairs of queues and offloads 0x{state.GuestOffloads:x} cannot be restored");
        lock (_gate)
        {
            (_isLinkOff, _isAnnouncing) = (state.IsLinkOff, state.IsAnnouncing);
            _restored = state.HasDriver && _activation is null ? state : null;
            if (state.HasDriver && _activation is not null) Adopt(state);
        }
    }

    /// <summary>Waits for the frame that is under way in each queue.</summary>
    public void Dispose()
    {
        _backend.LinkChanged -= ConfigChanged;
        foreach (NetReceiver receiver in _receivers) receiver.End();
        foreach (NetTransmitter transmitter in _transmitters) transmitter.End();
        _controller.End();
    }

    /// <summary>Where the control queue is depends on whether the driver knows of more than one pair (§5.1.2).</summary>
    internal int ControlQueueOf(VirtioActivation activation)
        => activation.Has(VIRTIO_NET_F_MQ) ? _receivers.Length * QueuesPerPair : QueuesPerPair;

    /// <summary>The driver uses so many pairs from now on. False when there are not so many.</summary>
    internal bool TryUsePairs(VirtioActivation life, int pairs)
    {
        lock (_gate)
        {
            if (pairs < 1 || pairs > _receivers.Length || !ReferenceEquals(life, _activation)) return false;
            SetOffloads(_guestOffloads, pairs);
        }

        WakeReceivers();
        return true;
    }

    /// <summary>The driver takes this undone from now on. False when it has not negotiated it.</summary>
    internal bool TryTakeOffloads(VirtioActivation life, ulong offloads)
    {
        lock (_gate)
        {
            if ((offloads & ~(life.Features & GuestOffloads)) != 0 || !ReferenceEquals(life, _activation)) return false;
            SetOffloads(offloads, _pairs);
            return true;
        }
    }

    /// <summary>A command was obeyed.</summary>
    internal void NoteCommand() => StateChanged?.Invoke();

    /// <summary>The driver has announced itself.</summary>
    internal bool EndAnnounce()
    {
        lock (_gate) return Interlocked.Exchange(ref _isAnnouncing, false);
    }

    /// <summary>Whether one of some features is there only with one of some others.</summary>
    private static bool Needs(ulong features, ulong these, ulong oneOf) => (features & these) == 0 || (features & oneOf) != 0;

    private void Adopt(VirtioNetState state)
    {
        (_isLinkOff, _isAnnouncing) = (state.IsLinkOff, state.IsAnnouncing);
        Filter = new NetFilter
        {
            Mode = state.Mode,
            Own = new MacAddress(state.Mac),
            Unicast = [.. state.Unicast.Select(value => new MacAddress(value))],
            Multicast = [.. state.Multicast.Select(value => new MacAddress(value))],
            Vlans = [.. state.Vlans],
        };
        SetOffloads(state.GuestOffloads, state.QueuePairs);
    }

    private void SetOffloads(ulong offloads, int pairs)
    {
        NetOffloads accepted = VirtioNetRegisters.ReceiveOffloads(offloads);
        _guestOffloads = offloads;
        Volatile.Write(ref _receiveOffloads, (int)accepted);
        Volatile.Write(ref _pairs, pairs);
        _backend.Configure(accepted, pairs);
    }

    /// <summary>Who serves a queue, as the driver numbers them; null without a driver.</summary>
    private IWorker? WorkerOf(int queue)
    {
        if (Activation is not { } activation) return null;
        int control = ControlQueueOf(activation);
        if (queue == control) return _controller.Worker;
        if (queue > control) return null;
        return queue % QueuesPerPair == 0 ? _receivers[queue / QueuesPerPair].Worker : _transmitters[queue / QueuesPerPair].Worker;
    }

    private void WakeReceivers()
    {
        foreach (NetReceiver receiver in _receivers) receiver.Wake();
    }

    private void WakeTransmitters()
    {
        foreach (NetTransmitter transmitter in _transmitters) transmitter.Wake();
    }

    private void ConfigChanged() => Activation?.ConfigChanged();
}
