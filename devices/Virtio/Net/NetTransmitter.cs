using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Core.Time;
using Vmm.Devices.Virtio.Queue;
using static Vmm.Devices.Virtio.Net.VirtioNetRegisters;

namespace Vmm.Devices.Virtio.Net;

/// <summary>Sends the frames of one transmit queue, on its worker (virtio 1.2 §5.1.6.2). The header is copied and judged, the frame goes out from where it lies.</summary>
internal sealed class NetTransmitter
{
    /// <summary>Frames of one run: whoever wants to stop the worker comes after them.</summary>
    private const int Batch = 64;

    // A piece of memory that crosses from one region into another needs two vectors, the header one.
    private const int VectorsPerDescriptor = 2;

    private readonly VirtioNet _net;
    private readonly INetBackend _backend;
    private readonly int _index;
    private readonly RateLimiter? _limiter;
    private readonly IWorker _worker;
    private readonly PinnedBuffer _header = new(INetBackend.HeaderBytes);
    private readonly IoVec[] _vectors;
    private VirtChain? _chain;

    // Counted by the worker alone; read by anyone.
    private ulong _frames, _bytes, _dropped;

    public NetTransmitter(VirtioNet net, INetBackend backend, int index, int queueSize, IWorkers workers, RateLimiter? limiter)
    {
        (_net, _backend, _index, _limiter) = (net, backend, index, limiter);
        _vectors = new IoVec[VectorsPerDescriptor * queueSize + 1];
        _vectors[0] = _header.Vector(0, INetBackend.HeaderBytes);
        _worker = workers.Create($"virtio-net transmit {index}", Serve);
    }

    public VirtioNetStatistics Statistics => new(0, 0, 0, 0, Volatile.Read(ref _frames), Volatile.Read(ref _bytes), Volatile.Read(ref _dropped));

    public void Wake() => _worker.Wake();

    public IWorker Worker => _worker;

    public void End() => _worker.Dispose();

    private void Serve()
    {
        if (_net.Activation is not { } life) return;
        VirtQueue queue = life.Queues[_index * QueuesPerPair + 1];
        VirtChain chain = _chain ??= queue.NewChain();
        int served = 0;
        while (served < Batch && MayPass() && queue.TryPop(chain))
        {
            if (Send(queue, chain) == NetSendResult.Full)
            {
                queue.Return(chain);
                queue.Signal();
                return;
            }

            queue.Push(chain, 0);
            served++;
        }

        if (served != 0) queue.Signal();
        if (served == Batch) _worker.Wake();
    }

    private NetSendResult Send(VirtQueue queue, VirtChain chain)
    {
        if (!chain.TryRead(0, _header.Span))
        {
            queue.Break($"a frame to send has {chain.ReadableBytes} bytes");
            return NetSendResult.Dropped;
        }

        ulong frameBytes = chain.ReadableBytes - INetBackend.HeaderBytes;
        NetSendResult result = NetSendResult.Dropped;
        int pinned = 0;
        bool isGood = NetHeader.Read(_header.Span).TryCheck(frameBytes, _net.SendOffloads, out NetHeader clean)
            && chain.TryPinReadable(INetBackend.HeaderBytes, frameBytes, _vectors.AsSpan(1), out pinned)
            && _net.IsLinkUp;
        if (isGood)
        {
            clean.Write(_header.Span);
            result = _backend.Send(_index, _vectors.AsSpan(0, pinned + 1));
        }

        if (result == NetSendResult.Full) return result;
        _limiter?.Charge(frameBytes);
        Count(ref result == NetSendResult.Sent ? ref _frames : ref _dropped, 1);
        if (result == NetSendResult.Sent) Count(ref _bytes, frameBytes);
        return result;
    }

    private bool MayPass() => _limiter is null || _limiter.MayPass();

    private static void Count(ref ulong counter, ulong by) => Volatile.Write(ref counter, counter + by);
}
