using System.Buffers.Binary;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Core.Time;
using Vmm.Devices.Virtio.Queue;
using static Vmm.Devices.Virtio.Block.VirtioBlockRegisters;

namespace Vmm.Devices.Virtio.Block;

/// <summary>Serves the requests of one queue, one after the other, on its worker.</summary>
internal sealed class BlockRequestServer
{
    // A range of memory that crosses from one region into another needs two vectors.
    private const int VectorsPerDescriptor = 2;

    private readonly VirtioBlock _disk;
    private readonly IBlockBackend _backend;
    private readonly byte[] _identity;
    private readonly int _batch;
    private readonly IoVec[] _vectors;
    private readonly RateLimiter? _limiter;
    private readonly IWorker _worker;
    private VirtQueue? _queue;
    private VirtChain? _chain;

    // Counted by the worker alone; read by anyone.
    private ulong _reads, _writes, _readBytes, _writtenBytes, _flushes, _discards, _zeroed, _errors;

    public BlockRequestServer(VirtioBlock disk, IBlockBackend backend, VirtioBlockOptions options, byte[] identity, IWorkers workers, RateLimiter? limiter, string name)
    {
        (_disk, _backend, _identity, _batch, _limiter) = (disk, backend, identity, options.QueueSize, limiter);
        _vectors = new IoVec[VectorsPerDescriptor * options.QueueSize];
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

    public void End() => _worker.Dispose();

    private void Serve()
    {
        if (Volatile.Read(ref _queue) is not { } queue) return;
        VirtChain chain = _chain ??= queue.NewChain();
        for (int served = 0; served < _batch; served++)
        {
            // What the limit holds back stays in the ring, so that nothing is under way meanwhile: a reset need not wait.
            if (_limiter is not null && !_limiter.MayPass()) return;
            if (!queue.TryPop(chain)) return;
            ServeOne(queue, chain);
        }

        // There may be more; whoever wants to stop this worker comes first.
        _worker.Wake();
    }

    private void ServeOne(VirtQueue queue, VirtChain chain)
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        if (chain.WritableBytes == 0 || !chain.TryRead(0, header))
        {
            queue.Break($"a request has {chain.ReadableBytes} bytes to read and {chain.WritableBytes} to write");
            queue.Push(chain, 0);
            return;
        }

        uint type = BinaryPrimitives.ReadUInt32LittleEndian(header);
        ulong sector = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
        _limiter?.Charge(0);
        ulong written = 0;
        VirtioBlockStatus status = type switch
        {
            VIRTIO_BLK_T_IN => Read(chain, sector, out written),
            VIRTIO_BLK_T_OUT => Write(chain, sector),
            VIRTIO_BLK_T_FLUSH => Flush(),
            VIRTIO_BLK_T_GET_ID => Identify(chain, out written),
            VIRTIO_BLK_T_DISCARD => Ranges(chain, isDiscard: true),
            VIRTIO_BLK_T_WRITE_ZEROES => Ranges(chain, isDiscard: false),
            _ => VirtioBlockStatus.VIRTIO_BLK_S_UNSUPP,
        };
        if (status == VirtioBlockStatus.VIRTIO_BLK_S_IOERR) Count(ref _errors, 1);
        ulong statusAt = chain.WritableBytes - 1;
        chain.TryWrite(statusAt, [(byte)status]);
        // The used length counts from the start and without gaps, so the status counts only when all before it was written.
        queue.Push(chain, (uint)Math.Min(written == statusAt ? written + 1 : written, uint.MaxValue));
        queue.Signal();
    }

    private VirtioBlockStatus Read(VirtChain chain, ulong sector, out ulong written)
    {
        written = 0;
        ulong count = chain.WritableBytes - 1;
        if (!TryLocate(sector, count, out ulong offset) || !chain.TryPinWritable(0, count, _vectors, out int vectors)) return VirtioBlockStatus.VIRTIO_BLK_S_IOERR;
        _limiter?.Charge(count, 0);
        BlockResult result = _backend.Read(offset, _vectors.AsSpan(0, vectors));
        // A read that failed may have written, too.
        chain.MarkWritten(0, count);
        if (result != BlockResult.Ok) return StatusOf(result);
        written = count;
        Count(ref _reads, 1);
        Count(ref _readBytes, count);
        return VirtioBlockStatus.VIRTIO_BLK_S_OK;
    }

    private VirtioBlockStatus Write(VirtChain chain, ulong sector)
    {
        ulong count = chain.ReadableBytes - HeaderBytes;
        if (_disk.IsReadOnly || !TryLocate(sector, count, out ulong offset) || !chain.TryPinReadable(HeaderBytes, count, _vectors, out int vectors))
            return VirtioBlockStatus.VIRTIO_BLK_S_IOERR;
        _limiter?.Charge(count, 0);
        VirtioBlockStatus status = Settle(_backend.Write(offset, _vectors.AsSpan(0, vectors)));
        if (status != VirtioBlockStatus.VIRTIO_BLK_S_OK) return status;
        Count(ref _writes, 1);
        Count(ref _writtenBytes, count);
        return status;
    }

    private VirtioBlockStatus Flush()
    {
        VirtioBlockStatus status = StatusOf(_backend.Flush());
        if (status == VirtioBlockStatus.VIRTIO_BLK_S_OK) Count(ref _flushes, 1);
        return status;
    }

    private VirtioBlockStatus Identify(VirtChain chain, out ulong written)
    {
        int count = (int)Math.Min(chain.WritableBytes - 1, VIRTIO_BLK_ID_BYTES);
        chain.TryWrite(0, _identity.AsSpan(0, count));
        written = (ulong)count;
        return VirtioBlockStatus.VIRTIO_BLK_S_OK;
    }

    private VirtioBlockStatus Ranges(VirtChain chain, bool isDiscard)
    {
        ulong bytes = chain.ReadableBytes - HeaderBytes;
        if (!_disk.HasRanges) return VirtioBlockStatus.VIRTIO_BLK_S_UNSUPP;
        if (bytes == 0 || bytes % RangeBytes != 0 || bytes / RangeBytes > VirtioBlock.MaxRanges) return VirtioBlockStatus.VIRTIO_BLK_S_IOERR;
        // Each range is work of its own; the request itself is counted already.
        _limiter?.Charge(0, bytes / RangeBytes - 1);
        Span<byte> range = stackalloc byte[RangeBytes];
        for (ulong at = HeaderBytes; at < chain.ReadableBytes; at += RangeBytes)
        {
            if (!chain.TryRead(at, range)) return VirtioBlockStatus.VIRTIO_BLK_S_IOERR;
            VirtioBlockStatus status = ServeRange(range, isDiscard);
            if (status != VirtioBlockStatus.VIRTIO_BLK_S_OK) return status;
        }

        return VirtioBlockStatus.VIRTIO_BLK_S_OK;
    }

    private VirtioBlockStatus ServeRange(ReadOnlySpan<byte> range, bool isDiscard)
    {
        ulong sector = BinaryPrimitives.ReadUInt64LittleEndian(range);
        uint sectors = BinaryPrimitives.ReadUInt32LittleEndian(range[8..]);
        uint flags = BinaryPrimitives.ReadUInt32LittleEndian(range[12..]);
        if ((flags & (isDiscard ? uint.MaxValue : ~VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP)) != 0) return VirtioBlockStatus.VIRTIO_BLK_S_UNSUPP;
        ulong count = (ulong)sectors * IBlockBackend.SectorBytes;
        if (sectors > VirtioBlock.MaxRangeSectors || !TryLocate(sector, count, out ulong offset)) return VirtioBlockStatus.VIRTIO_BLK_S_IOERR;
        VirtioBlockStatus status = isDiscard ? StatusOf(_backend.Discard(offset, count)) : Settle(_backend.WriteZeroes(offset, count, flags != 0));
        if (status == VirtioBlockStatus.VIRTIO_BLK_S_OK) Count(ref isDiscard ? ref _discards : ref _zeroed, 1);
        return status;
    }

    /// <summary>Without a write-back cache what is written is safe when the request is done (§5.2.6.2).</summary>
    private VirtioBlockStatus Settle(BlockResult result) => StatusOf(result == BlockResult.Ok && !_disk.IsWriteback ? _backend.Flush() : result);

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

    private static void Count(ref ulong counter, ulong by) => Volatile.Write(ref counter, counter + by);
}
