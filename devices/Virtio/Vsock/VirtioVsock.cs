using System.Buffers.Binary;
using Vmm.Core.Backends;
using Vmm.Core.State;
using Vmm.Devices.Virtio.Queue;
using static Vmm.Devices.Virtio.Vsock.VirtioVsockRegisters;

namespace Vmm.Devices.Virtio.Vsock;

/// <summary>
/// The socket device (virtio 1.2 §5.10): streams and sequences of messages between the guest and the host. One worker does everything with connections; the streams
/// themselves never block it. The guest's mistakes cost it the connection, or the queue when a packet is none.
/// </summary>
public sealed class VirtioVsock : IVirtioDevice, IVsockGuest, IStateful<VirtioVsockState>, IDisposable
{
    /// <summary>The least context id of a guest; those below have a meaning.</summary>
    public const uint LeastGuestCid = 3;

    /// <summary>The most connections at once, with those that are being opened or closed.</summary>
    public const int MostConnections = 512;

    private const ushort SocketDevice = 19;
    private const uint OtherCommunication = 0x078000;
    private const ushort QueueSize = 256;

    // Packets of each direction before the other has its turn.
    private const int Batch = 64;

    private static readonly ushort[] Sizes = [QueueSize, QueueSize, QueueSize];

    private readonly ulong _cid;
    private readonly VsockSwitch _switch;
    private readonly IWorker _worker;
    private readonly Lock _arrivalGate = new();
    private readonly Queue<(uint Port, IVsockStream Stream)> _arrivals = new();
    private VirtioActivation? _activation, _served;
    private VirtChain? _receiveChain, _transmitChain, _eventChain;
    private bool _isRestored, _owesReset, _isDisposed;

    /// <param name="cid">The guest's context id, from <see cref="LeastGuestCid"/>.</param>
    /// <param name="host">The host's end. Stays the caller's.</param>
    /// <param name="workers">Who does the work.</param>
    public VirtioVsock(uint cid, IVsockHost host, IWorkers workers)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(cid, LeastGuestCid);
        ArgumentOutOfRangeException.ThrowIfEqual(cid, uint.MaxValue);
        _cid = cid;
        _worker = workers.Create(Name, Serve);
        _switch = new VsockSwitch(cid, host, _worker.Wake);
        host.Attach(this);
    }

    /// <inheritdoc/>
    public string Name => "virtio-vsock";

    /// <inheritdoc/>
    public ushort DeviceId => SocketDevice;

    /// <inheritdoc/>
    public uint PciClass => OtherCommunication;

    /// <inheritdoc/>
    public ulong OfferedFeatures => VirtioFeatures.VIRTIO_F_IN_ORDER | VIRTIO_VSOCK_F_STREAM | VIRTIO_VSOCK_F_SEQPACKET;

    /// <inheritdoc/>
    public ReadOnlySpan<ushort> QueueSizes => Sizes;

    /// <inheritdoc/>
    public uint ConfigBytes => VirtioVsockRegisters.ConfigBytes;

    /// <summary>What it has done so far. Any thread.</summary>
    public VirtioVsockStatistics Statistics => _switch.Statistics;

    /// <inheritdoc/>
    public void ReadConfig(uint offset, Span<byte> data)
    {
        Span<byte> config = stackalloc byte[VirtioVsockRegisters.ConfigBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(config, _cid);
        config.Slice((int)offset, data.Length).CopyTo(data);
    }

    /// <inheritdoc/>
    public void WriteConfig(uint offset, ReadOnlySpan<byte> data) { }

    /// <inheritdoc/>
    public void Activate(VirtioActivation activation)
    {
        Volatile.Write(ref _activation, activation);
        _worker.Wake();
    }

    /// <inheritdoc/>
    public void OnKick(int queue) => _worker.Wake();

    /// <inheritdoc/>
    public int KickDescriptor(int queue) => _worker.WakeDescriptor;

    /// <inheritdoc/>
    public void Reset()
    {
        Volatile.Write(ref _activation, null);
        _worker.Wake();
    }

    /// <inheritdoc/>
    public bool TryOpen(uint port, IVsockStream stream)
    {
        lock (_arrivalGate)
        {
            if (_isDisposed || Volatile.Read(ref _activation) is not { } activation || !Knows(activation, stream.Kind) || _arrivals.Count + _switch.Count >= MostConnections) return false;
            _arrivals.Enqueue((port, stream));
        }

        _worker.Wake();
        return true;
    }

    /// <inheritdoc/>
    public VirtioVsockState Save() => new() { NextPort = _switch.NextPort };

    /// <inheritdoc/>
    public void Restore(VirtioVsockState state)
    {
        if (state.Version != VirtioVsockState.CurrentVersion) throw new StateException($"virtio-vsock: state version {state.Version} cannot be restored");
        _switch.NextPort = state.NextPort;
        // The host's ends of the guest's connections did not come along (§5.10.6.7).
        Volatile.Write(ref _isRestored, true);
        Volatile.Write(ref _owesReset, true);
        _worker.Wake();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_arrivalGate) _isDisposed = true;
        _worker.Dispose();
        _switch.Clear();
        foreach ((_, IVsockStream stream) in _arrivals) stream.Dispose();
        _arrivals.Clear();
    }

    private void Serve()
    {
        VirtioActivation? activation = Volatile.Read(ref _activation);
        bool isRestored = Volatile.Read(ref _isRestored);
        if (isRestored) Volatile.Write(ref _isRestored, false);
        if (isRestored || !ReferenceEquals(activation, _served)) _switch.Clear();
        _served = activation;
        _switch.HasSeqpacket = activation is not null && Knows(activation, VsockKind.Seqpacket);
        TakeArrivals();
        _switch.ServeStreams();
        if (activation is null) return;
        if (Volatile.Read(ref _owesReset)) SendReset(activation.Queues[EventQueue]);
        bool isMore = Transmit(activation.Queues[TransmitQueue]);
        isMore |= Receive(activation.Queues[ReceiveQueue]);
        if (isMore) _worker.Wake();
    }

    // Streams need no feature (§5.10.3.1).
    private static bool Knows(VirtioActivation activation, VsockKind kind) => kind == VsockKind.Stream || activation.Has(VIRTIO_VSOCK_F_SEQPACKET);

    private void TakeArrivals()
    {
        while (true)
        {
            (uint Port, IVsockStream Stream) arrival;
            lock (_arrivalGate)
            {
                if (!_arrivals.TryDequeue(out arrival)) return;
            }

            if (_served is null || !Knows(_served, arrival.Stream.Kind)) arrival.Stream.Dispose();
            else _switch.Ask(arrival.Port, arrival.Stream);
        }
    }

    // True when there may be more to do at once.
    private bool Transmit(VirtQueue queue)
    {
        VirtChain chain = _transmitChain ??= queue.NewChain();
        int served = 0;
        while (served < Batch && !_switch.IsFull && queue.TryPop(chain))
        {
            served++;
            if (!TryDeliver(chain)) queue.Break($"a packet of {chain.ReadableBytes} bytes is shorter than it says");
            queue.Push(chain, 0);
        }

        if (served != 0) queue.Signal();
        return served == Batch;
    }

    private bool TryDeliver(VirtChain chain)
    {
        Span<byte> bytes = stackalloc byte[VsockHeader.SizeBytes];
        if (!chain.TryRead(0, bytes)) return false;
        VsockHeader header = VsockHeader.Read(bytes);
        if (header.Length > chain.ReadableBytes - VsockHeader.SizeBytes) return false;
        _switch.Deliver(header, chain);
        return true;
    }

    private bool Receive(VirtQueue queue)
    {
        VirtChain chain = _receiveChain ??= queue.NewChain();
        bool wasFull = _switch.IsFull;
        int served = 0;
        while (served < Batch && _switch.HasPacket && queue.TryPop(chain))
        {
            if (chain.WritableBytes <= VsockHeader.SizeBytes)
            {
                queue.Break($"a receive buffer of {chain.WritableBytes} bytes has no room for data");
                queue.Push(chain, 0);
                break;
            }

            uint written = _switch.Fill(chain);
            if (written == 0)
            {
                queue.Return(chain);
                break;
            }

            queue.Push(chain, written);
            served++;
        }

        if (served != 0) queue.Signal();
        return served == Batch || (wasFull && !_switch.IsFull);
    }

    private void SendReset(VirtQueue queue)
    {
        VirtChain chain = _eventChain ??= queue.NewChain();
        if (!queue.TryPop(chain)) return;
        // The driver forgets all its connections, those of the last moment, too.
        _switch.Clear();
        Span<byte> bytes = stackalloc byte[EventBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, VIRTIO_VSOCK_EVENT_TRANSPORT_RESET);
        bool isWritten = chain.TryWrite(0, bytes);
        queue.Push(chain, isWritten ? EventBytes : 0u);
        queue.Signal();
        if (isWritten) Volatile.Write(ref _owesReset, false);
        else queue.Break($"an event buffer of {chain.WritableBytes} bytes is too short");
    }
}
