using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Core.Time;
using Vmm.Devices.Virtio.Queue;
using static Vmm.Devices.Virtio.Net.VirtioNetRegisters;

namespace Vmm.Devices.Virtio.Net;

/// <summary>
/// Fills the buffers of one receive queue, on its worker (virtio 1.2 §5.1.6.3, §5.1.6.4). Long frames come straight into the guest's
/// buffers, as many as the longest frame takes; the others through one buffer of the host's. A frame that has been taken and finds no
/// room waits there for the driver.
/// </summary>
internal sealed class NetReceiver
{
    /// <summary>Frames of one run: whoever wants to stop the worker comes after them.</summary>
    private const int Batch = 64;

    // Linux's smallest mergeable buffer has 1.5 KiB: 64 of them take the longest frame.
    private const int MostBuffers = 64;

    // From here on a copy costs more than popping the buffers of the longest frame.
    private const int DirectBytes = 4096;

    // A driver that sleeps is woken after so many bytes at the latest.
    private const int SignalBytes = 32 << 10;

    // The kernel takes 1024, and a backend may add some.
    private const int MostVectors = 1000;
    private const int HeadBytes = INetBackend.HeaderBytes + NetFilter.LookBytes;

    private readonly VirtioNet _net;
    private readonly INetBackend _backend;
    private readonly int _index;
    private readonly RateLimiter? _limiter;
    private readonly IWorker _worker;
    private readonly PinnedBuffer _bounce = new(INetBackend.MostFrameBytes);
    private readonly PinnedBuffer _head = new(HeadBytes);
    private readonly IoVec[] _vectors = new IoVec[MostVectors];
    private readonly VirtChain[] _chains = new VirtChain[MostBuffers];
    private readonly uint[] _lengths = new uint[MostBuffers];
    private VirtioActivation? _life;
    private int _held;
    private ulong _capacity;
    private int _waiting;
    private int _lastBytes;
    private int _unsignalled;

    // Counted by the worker alone; read by anyone.
    private ulong _frames, _bytes, _filtered, _dropped;

    public NetReceiver(VirtioNet net, INetBackend backend, int index, IWorkers workers, RateLimiter? limiter)
    {
        (_net, _backend, _index, _limiter) = (net, backend, index, limiter);
        _worker = workers.Create($"virtio-net receive {index}", Serve);
    }

    public VirtioNetStatistics Statistics => new(Volatile.Read(ref _frames), Volatile.Read(ref _bytes), Volatile.Read(ref _filtered), Volatile.Read(ref _dropped), 0, 0, 0);

    public void Wake() => _worker.Wake();

    public IWorker Worker => _worker;

    public void End() => _worker.Dispose();

    private void Serve()
    {
        if (_net.Activation is not { } life || _index >= _net.PairsInUse) return;
        VirtQueue queue = life.Queues[_index * QueuesPerPair];
        Begin(life, queue);
        int served = 0;
        while (served < Batch && ServeOne(life, queue)) served++;
        for (; _held > 0; _held--) queue.Return(_chains[_held - 1]);
        _capacity = 0;
        Tell(queue);
        if (served == Batch) _worker.Wake();
    }

    private void Begin(VirtioActivation life, VirtQueue queue)
    {
        if (ReferenceEquals(life, _life)) return;
        (_life, _waiting, _lastBytes) = (life, 0, 0);
        for (int i = 0; i < MostBuffers; i++) _chains[i] ??= queue.NewChain();
    }

    /// <summary>Takes and passes on one frame. False when there is none, or no room.</summary>
    private bool ServeOne(VirtioActivation life, VirtQueue queue)
    {
        bool isMergeable = life.Has(VIRTIO_NET_F_MRG_RXBUF);
        if (_waiting != 0) return PlaceWaiting(queue, isMergeable);
        // What the limit holds back stays with the host, whose queue is bounded.
        if (_limiter is not null && !_limiter.MayPass()) return false;
        int vectors = 0;
        bool isDirect = _lastBytes >= DirectBytes && TryHold(queue, INetBackend.MostFrameBytes, isMergeable) && TryPinHeld(out vectors);
        if (!isDirect && !TryHold(queue, 1, isMergeable)) return false;
        int count = isDirect ? _backend.Receive(_index, _vectors.AsSpan(0, vectors)) : _backend.Receive(_index, [_bounce.Vector(0, _bounce.SizeBytes)]);
        if (count == 0) return false;
        _lastBytes = count;
        _limiter?.Charge((ulong)Math.Max(0, count - INetBackend.HeaderBytes));
        if (isDirect) Measure(count, isWritten: true);
        if (!TryJudge((isDirect ? _head : _bounce).Span, count)) return true;
        if (isDirect)
        {
            Deliver(queue, Measure(count, isWritten: false), count, _head.Span, isMergeable);
            return true;
        }

        _waiting = count;
        return PlaceWaiting(queue, isMergeable);
    }

    private bool PlaceWaiting(VirtQueue queue, bool isMergeable)
    {
        int count = _waiting;
        if (!TryHold(queue, (ulong)count, isMergeable))
        {
            // When all that there can be is here, waiting does not help.
            if (_held < (isMergeable ? Math.Min(MostBuffers, queue.Size) : 1)) return false;
            _waiting = 0;
            Count(ref _dropped, 1);
            return true;
        }

        _waiting = 0;
        int buffers = Measure(count, isWritten: false);
        int at = 0;
        for (int i = 0; i < buffers; i++)
        {
            _chains[i].TryWrite(0, _bounce.Span.Slice(at, (int)_lengths[i]));
            at += (int)_lengths[i];
        }

        Deliver(queue, buffers, count, _bounce.Span, isMergeable);
        return true;
    }

    /// <summary>Pops chains until they have room for so many bytes: one only, where a frame cannot be spread.</summary>
    private bool TryHold(VirtQueue queue, ulong bytes, bool isMergeable)
    {
        while (_capacity < bytes)
        {
            if (_held == (isMergeable ? MostBuffers : 1) || !queue.TryPop(_chains[_held])) return false;
            VirtChain chain = _chains[_held++];
            _capacity += chain.WritableBytes;
            if (chain.WritableBytes >= INetBackend.HeaderBytes) continue;
            queue.Break($"a receive buffer has {chain.WritableBytes} bytes");
            return false;
        }

        return true;
    }

    /// <summary>Vectors of all that is held, but the first bytes go to the host first.</summary>
    private bool TryPinHeld(out int count)
    {
        _vectors[0] = _head.Vector(0, HeadBytes);
        count = 1;
        if (_chains[0].WritableBytes < HeadBytes) return false;
        ulong left = INetBackend.MostFrameBytes - HeadBytes;
        for (int i = 0; i < _held && left != 0; i++)
        {
            ulong skip = i == 0 ? HeadBytes : 0u;
            ulong part = Math.Min(left, _chains[i].WritableBytes - skip);
            if (!_chains[i].TryPinWritable(skip, part, _vectors.AsSpan(count), out int pinned)) return false;
            count += pinned;
            left -= part;
        }

        return true;
    }

    /// <summary>Says how many bytes of a frame lie in which buffer.</summary>
    /// <param name="count">Bytes of header and frame; the held chains have room for them.</param>
    /// <param name="isWritten">The kernel has written them.</param>
    /// <returns>How many buffers the frame takes.</returns>
    private int Measure(int count, bool isWritten)
    {
        int buffers = 0;
        for (ulong left = (ulong)count; left != 0; buffers++)
        {
            ulong part = Math.Min(left, _chains[buffers].WritableBytes);
            _lengths[buffers] = (uint)part;
            left -= part;
            if (isWritten) _chains[buffers].MarkWritten(0, part);
        }

        return buffers;
    }

    /// <summary>Whether the driver wants this frame and can take it as it is. Puts the header in order.</summary>
    private bool TryJudge(Span<byte> head, int count)
    {
        int frameBytes = count - INetBackend.HeaderBytes;
        NetOffloads accepted = _net.ReceiveOffloads;
        NetHeader header = frameBytes < NetHeader.EthernetBytes ? default : NetHeader.Read(head);
        if (!_net.IsLinkUp || !header.TryCheck((ulong)Math.Max(0, frameBytes), accepted, out NetHeader clean))
        {
            Count(ref _dropped, 1);
            return false;
        }

        if (!_net.Filter.Accepts(head.Slice(INetBackend.HeaderBytes, Math.Min(frameBytes, NetFilter.LookBytes))))
        {
            Count(ref _filtered, 1);
            return false;
        }

        bool isValid = (header.Flags & NetHeaderFlags.VIRTIO_NET_HDR_F_DATA_VALID) != 0 && (accepted & NetOffloads.Checksum) != 0;
        if (isValid && !clean.NeedsChecksum) clean = clean with { Flags = NetHeaderFlags.VIRTIO_NET_HDR_F_DATA_VALID };
        clean.Write(head);
        return true;
    }

    private void Deliver(VirtQueue queue, int buffers, int count, Span<byte> head, bool isMergeable)
    {
        // Without mergeable buffers it is one, always (§5.1.6.4.1).
        BitConverter.TryWriteBytes(head[NetHeader.BufferCountAt..], (ushort)(isMergeable ? buffers : 1));
        _chains[0].TryWrite(0, head[..(int)Math.Min(Math.Min(HeadBytes, (uint)count), _lengths[0])]);
        queue.Push(_chains.AsSpan(0, buffers), _lengths.AsSpan(0, buffers));
        for (int i = 0; i < buffers; i++) _capacity -= _chains[i].WritableBytes;
        // Those that were used go behind those that are still held.
        _chains.AsSpan(0, buffers).Reverse();
        _chains.AsSpan(buffers, _held - buffers).Reverse();
        _chains.AsSpan(0, _held).Reverse();
        _held -= buffers;
        Count(ref _frames, 1);
        Count(ref _bytes, (ulong)(count - INetBackend.HeaderBytes));
        _unsignalled += count;
        if (_unsignalled >= SignalBytes) Tell(queue);
    }

    private void Tell(VirtQueue queue)
    {
        if (_unsignalled == 0) return;
        _unsignalled = 0;
        queue.Signal();
    }

    private static void Count(ref ulong counter, ulong by) => Volatile.Write(ref counter, counter + by);
}
