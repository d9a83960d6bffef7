using System.Buffers.Binary;
using Vmm.Core.Backends;
using Vmm.Core.Time;
using Vmm.Devices.Virtio.Queue;
using static Vmm.Devices.Virtio.Block.VirtioBlockRegisters;

namespace Vmm.Devices.Virtio.Block;

/// <summary>
/// Serves one queue: its worker takes requests from the ring and begins them; they end in any order, on any thread. A batch that ends on the
/// worker is told to the driver together.
/// </summary>
internal sealed class BlockRequestServer
{
    // A range of memory that crosses from one region into another needs two vectors.
    private const int VectorsPerDescriptor = 2;

    // So many may end before the driver hears of the first.
    private const int MostUntold = 16;

    private readonly VirtioBlock _disk;
    private readonly IBlockBackend _backend;
    private readonly byte[] _identity;
    private readonly int _queueSize;
    private readonly RateLimiter? _limiter;
    private readonly IWorker _worker;
    private readonly object _ends = new();
    private readonly Stack<VirtioBlockRequest> _free = new();
    private VirtQueue? _queue;
    private int _begun, _workerThread, _untold;
    private bool _isEnding;

    private ulong _reads, _writes, _readBytes, _writtenBytes, _flushes, _discards, _zeroed, _errors;

    public BlockRequestServer(VirtioBlock disk, IBlockBackend backend, VirtioBlockOptions options, byte[] identity, IWorkers workers, RateLimiter? limiter, string name)
    {
        (_disk, _backend, _identity, _queueSize, _limiter) = (disk, backend, identity, options.QueueSize, limiter);
        _worker = workers.Create(name, Serve);
    }

    public VirtioBlockStatistics Statistics => new(Volatile.Read(ref _reads), Volatile.Read(ref _writes), Volatile.Read(ref _readBytes),
        Volatile.Read(ref _writtenBytes), Volatile.Read(ref _flushes), Volatile.Read(ref _discards), Volatile.Read(ref _zeroed), Volatile.Read(ref _errors));

    public void Begin(VirtQueue queue)
    {
        Volatile.Write(ref _queue, queue);
        _worker.Wake();
    }

    public void Wake() => _worker.Wake();

    public int WakeDescriptor => _worker.WakeDescriptor;

    public bool TryListen(int descriptor) => _worker.TryListen(descriptor);

    public void StopListening(int descriptor) => _worker.StopListening(descriptor);

    /// <summary>Takes nothing more from the ring, waits for what is under way, and ends the worker, in this order: the kernel cancels what a thread began that is gone.</summary>
    public void End()
    {
        Volatile.Write(ref _isEnding, true);
        lock (_ends)
        {
            while (_begun != 0) Monitor.Wait(_ends);
        }

        _worker.Dispose();
    }

    /// <summary>A request that was begun has ended, or one part of it.</summary>
    public void Ended(VirtioBlockRequest request, BlockResult result)
    {
        bool wasFlush = request.Operation == BlockOperation.Flush;
        if (request.Operation == BlockOperation.Read) request.Chain.MarkWritten(0, request.Count);
        if (result == BlockResult.Ok && !wasFlush)
        {
            if (request.NextRange != 0 && request.NextRange < request.Chain.ReadableBytes)
            {
                if (TryBeginRange(request) is { } refusal) Finish(request, refusal);
                return;
            }

            if (request.MustSettle)
            {
                request.Operation = BlockOperation.Flush;
                _backend.Begin(request);
                return;
            }
        }

        if (result == BlockResult.Ok) CountDone(request);
        Finish(request, StatusOf(result), result == BlockResult.Ok && request.Type == VIRTIO_BLK_T_IN ? request.Count : 0);
    }

    private void Serve()
    {
        if (Volatile.Read(ref _queue) is not { } queue) return;
        Volatile.Write(ref _workerThread, Environment.CurrentManagedThreadId);
        bool mayBeMore = TakeBatch(queue);
        Volatile.Write(ref _workerThread, 0);
        _backend.Submit();
        Tell(queue);
        // Whoever wants to stop this worker comes first.
        if (mayBeMore) _worker.Wake();
    }

    private bool TakeBatch(VirtQueue queue)
    {
        for (int served = 0; served < _queueSize; served++)
        {
            // What the limit holds back stays in the ring, so that nothing is under way meanwhile: a reset need not wait.
            if (_limiter is not null && !_limiter.MayPass()) return false;
            VirtioBlockRequest request = Rent(queue);
            if (Volatile.Read(ref _isEnding) || !queue.TryPop(request.Chain))
            {
                Return(request);
                return false;
            }

            Start(request);
        }

        return true;
    }

    private void Start(VirtioBlockRequest request)
    {
        VirtChain chain = request.Chain;
        Span<byte> header = stackalloc byte[HeaderBytes];
        if (chain.WritableBytes == 0 || !chain.TryRead(0, header))
        {
            request.Queue!.Break($"a request has {chain.ReadableBytes} bytes to read and {chain.WritableBytes} to write");
            request.Queue.Push(chain, 0);
            Return(request);
            return;
        }

        uint type = request.Type = BinaryPrimitives.ReadUInt32LittleEndian(header);
        ulong sector = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
        (request.NextRange, request.MustSettle) = (0, !_disk.IsWriteback && type is VIRTIO_BLK_T_OUT or VIRTIO_BLK_T_WRITE_ZEROES);
        _limiter?.Charge(0);
        VirtioBlockStatus? refusal = type switch
        {
            VIRTIO_BLK_T_IN => TryBeginRead(request, sector),
            VIRTIO_BLK_T_OUT => TryBeginWrite(request, sector),
            VIRTIO_BLK_T_FLUSH => BeginFlush(request),
            VIRTIO_BLK_T_DISCARD or VIRTIO_BLK_T_WRITE_ZEROES => TryBeginRanges(request),
            VIRTIO_BLK_T_GET_ID => null,
            _ => VirtioBlockStatus.VIRTIO_BLK_S_UNSUPP,
        };
        if (refusal is { } status) Finish(request, status);
        else if (type == VIRTIO_BLK_T_GET_ID) Identify(request);
    }

    private VirtioBlockStatus? TryBeginRead(VirtioBlockRequest request, ulong sector)
    {
        ulong count = request.Chain.WritableBytes - 1;
        if (!TryLocate(sector, count, out ulong offset) || !request.Chain.TryPinWritable(0, count, request.VectorRoom, out int vectors)) return VirtioBlockStatus.VIRTIO_BLK_S_IOERR;
        Begin(request, BlockOperation.Read, offset, count, vectors);
        return null;
    }

    private VirtioBlockStatus? TryBeginWrite(VirtioBlockRequest request, ulong sector)
    {
        ulong count = request.Chain.ReadableBytes - HeaderBytes;
        if (_disk.IsReadOnly || !TryLocate(sector, count, out ulong offset) || !request.Chain.TryPinReadable(HeaderBytes, count, request.VectorRoom, out int vectors))
            return VirtioBlockStatus.VIRTIO_BLK_S_IOERR;
        Begin(request, BlockOperation.Write, offset, count, vectors);
        return null;
    }

    private void Begin(VirtioBlockRequest request, BlockOperation operation, ulong offset, ulong count, int vectors)
    {
        _limiter?.Charge(count, 0);
        (request.Operation, request.Offset, request.Count, request.VectorCount) = (operation, offset, count, vectors);
        _backend.Begin(request);
    }

    private VirtioBlockStatus? BeginFlush(VirtioBlockRequest request)
    {
        request.Operation = BlockOperation.Flush;
        _backend.Begin(request);
        return null;
    }

    private VirtioBlockStatus? TryBeginRanges(VirtioBlockRequest request)
    {
        ulong bytes = request.Chain.ReadableBytes - HeaderBytes;
        if (request.Type == VIRTIO_BLK_T_DISCARD ? !_disk.HasDiscard : _disk.IsReadOnly) return VirtioBlockStatus.VIRTIO_BLK_S_UNSUPP;
        if (bytes == 0 || bytes % RangeBytes != 0 || bytes / RangeBytes > VirtioBlock.MaxRanges) return VirtioBlockStatus.VIRTIO_BLK_S_IOERR;
        // Each range is work of its own; the request itself is counted already.
        _limiter?.Charge(0, bytes / RangeBytes - 1);
        request.NextRange = HeaderBytes;
        return TryBeginRange(request);
    }

    private VirtioBlockStatus? TryBeginRange(VirtioBlockRequest request)
    {
        Span<byte> range = stackalloc byte[RangeBytes];
        if (!request.Chain.TryRead(request.NextRange, range)) return VirtioBlockStatus.VIRTIO_BLK_S_IOERR;
        request.NextRange += RangeBytes;
        bool isDiscard = request.Type == VIRTIO_BLK_T_DISCARD;
        ulong sector = BinaryPrimitives.ReadUInt64LittleEndian(range);
        uint sectors = BinaryPrimitives.ReadUInt32LittleEndian(range[8..]);
        uint flags = BinaryPrimitives.ReadUInt32LittleEndian(range[12..]);
        if ((flags & (isDiscard ? uint.MaxValue : ~VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP)) != 0) return VirtioBlockStatus.VIRTIO_BLK_S_UNSUPP;
        ulong count = (ulong)sectors * IBlockBackend.SectorBytes;
        if (sectors > VirtioBlock.MaxRangeSectors || !TryLocate(sector, count, out ulong offset)) return VirtioBlockStatus.VIRTIO_BLK_S_IOERR;
        (request.Operation, request.Offset, request.Count) = (isDiscard ? BlockOperation.Discard : BlockOperation.WriteZeroes, offset, count);
        (request.VectorCount, request.MayUnmap) = (0, flags != 0 && _disk.HasDiscard);
        _backend.Begin(request);
        return null;
    }

    private void Identify(VirtioBlockRequest request)
    {
        int count = (int)Math.Min(request.Chain.WritableBytes - 1, VIRTIO_BLK_ID_BYTES);
        request.Chain.TryWrite(0, _identity.AsSpan(0, count));
        Finish(request, VirtioBlockStatus.VIRTIO_BLK_S_OK, (ulong)count);
    }

    private void CountDone(VirtioBlockRequest request)
    {
        switch (request.Type)
        {
            case VIRTIO_BLK_T_IN:
                Interlocked.Increment(ref _reads);
                Interlocked.Add(ref _readBytes, request.Count);
                break;
            case VIRTIO_BLK_T_OUT:
                Interlocked.Increment(ref _writes);
                Interlocked.Add(ref _writtenBytes, request.Count);
                break;
            case VIRTIO_BLK_T_FLUSH:
                Interlocked.Increment(ref _flushes);
                break;
            default:
                ulong ranges = (request.NextRange - HeaderBytes) / RangeBytes;
                Interlocked.Add(ref request.Type == VIRTIO_BLK_T_DISCARD ? ref _discards : ref _zeroed, ranges);
                break;
        }
    }

    private void Finish(VirtioBlockRequest request, VirtioBlockStatus status, ulong written = 0)
    {
        (VirtChain chain, VirtQueue queue) = (request.Chain, request.Queue!);
        if (status == VirtioBlockStatus.VIRTIO_BLK_S_IOERR) Interlocked.Increment(ref _errors);
        ulong statusAt = chain.WritableBytes - 1;
        chain.TryWrite(statusAt, [(byte)status]);
        // The used length counts from the start and without gaps, so the status counts only when all before it was written.
        queue.Push(chain, (uint)Math.Min(written == statusAt ? written + 1 : written, uint.MaxValue));
        bool isOnWorker = Volatile.Read(ref _workerThread) == Environment.CurrentManagedThreadId;
        if (!isOnWorker) queue.Signal();
        else if (++_untold >= MostUntold) Tell(queue);
        Return(request);
    }

    private void Tell(VirtQueue queue)
    {
        if (_untold == 0) return;
        _untold = 0;
        queue.Signal();
    }

    private VirtioBlockRequest Rent(VirtQueue queue)
    {
        lock (_ends)
        {
            _begun++;
            if (!_free.TryPop(out VirtioBlockRequest? request)) request = new VirtioBlockRequest(this, queue.NewChain(), VectorsPerDescriptor * _queueSize);
            request.Queue = queue;
            return request;
        }
    }

    private void Return(VirtioBlockRequest request)
    {
        lock (_ends)
        {
            _free.Push(request);
            if (--_begun == 0) Monitor.PulseAll(_ends);
        }
    }

    private bool TryLocate(ulong sector, ulong count, out ulong offset)
    {
        const ulong MaxSector = ulong.MaxValue / IBlockBackend.SectorBytes;
        offset = unchecked(sector * IBlockBackend.SectorBytes);
        ulong size = _backend.SizeBytes & ~(ulong)(IBlockBackend.SectorBytes - 1);
        return sector <= MaxSector && count % IBlockBackend.SectorBytes == 0 && offset <= size && count <= size - offset;
    }

    private static VirtioBlockStatus StatusOf(BlockResult result) => result switch
    {
        BlockResult.Ok => VirtioBlockStatus.VIRTIO_BLK_S_OK,
        BlockResult.NotSupported => VirtioBlockStatus.VIRTIO_BLK_S_UNSUPP,
        _ => VirtioBlockStatus.VIRTIO_BLK_S_IOERR,
    };
}
