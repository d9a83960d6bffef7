using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using Vmm.Core.Backends;
using Vmm.Core.State;
using Vmm.Core.Time;
using static Vmm.Devices.Virtio.Block.VirtioBlockRegisters;

namespace Vmm.Devices.Virtio.Block;

/// <summary>The block device (virtio 1.2 §5.2): several queues, flush, discard, zeroing, serial number, resize, read-only, write-back or write-through, rate limits.</summary>
public sealed class VirtioBlock : IVirtioDevice, IStateful<VirtioBlockState>, IDisposable
{
    /// <summary>Ranges in one request to discard or to zero.</summary>
    internal const uint MaxRanges = 32;

    /// <summary>Sectors of such a range: 1 GiB.</summary>
    internal const uint MaxRangeSectors = 1 << 21;

    private const ushort BlockDevice = 2;
    private const uint OtherMassStorage = 0x018000;
    private const int MaxQueues = 64;
    private const ushort MinQueueSize = 4, MaxQueueSize = 1024;

    // A request's header and status take a descriptor each.
    private const int FramingDescriptors = 2;

    private readonly IBlockBackend _backend;
    private readonly BlockRequestServer[] _servers;
    private readonly ushort[] _queueSizes;
    private VirtioActivation? _activation;
    private readonly bool _isWriteThrough;
    private bool _isWriteback = true;

    /// <param name="backend">The disk. Stays the caller's.</param>
    /// <param name="options">What it shows beside its content.</param>
    /// <param name="workers">Who does the I/O: one worker for each queue.</param>
    /// <param name="limiter">What all queues together may do: each request is an operation, each range to discard or zero, too; reads and writes count
    /// their bytes. Stays the caller's.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public VirtioBlock(IBlockBackend backend, VirtioBlockOptions options, IWorkers workers, RateLimiter? limiter = null)
    {
        if (options.QueueCount is < 1 or > MaxQueues) throw new ArgumentException($"a disk has 1 to {MaxQueues} queues, not {options.QueueCount}", nameof(options));
        if (options.QueueSize is < MinQueueSize or > MaxQueueSize || !BitOperations.IsPow2(options.QueueSize))
            throw new ArgumentException($"a queue's size is a power of two from {MinQueueSize} to {MaxQueueSize}, not {options.QueueSize}", nameof(options));
        if (options.Serial.Length > VIRTIO_BLK_ID_BYTES || !Ascii.IsValid(options.Serial))
            throw new ArgumentException($"a serial number has at most {VIRTIO_BLK_ID_BYTES} ASCII characters", nameof(options));
        _backend = backend;
        IsReadOnly = backend.IsReadOnly;
        HasDiscard = options.HasDiscard && !IsReadOnly;
        _isWriteThrough = options.IsWriteThrough;
        byte[] identity = new byte[VIRTIO_BLK_ID_BYTES];
        Encoding.ASCII.GetBytes(options.Serial, identity);
        _queueSizes = new ushort[options.QueueCount];
        Array.Fill(_queueSizes, options.QueueSize);
        _servers = [.. Enumerable.Range(0, options.QueueCount).Select(i => new BlockRequestServer(this, backend, options, identity, workers, limiter, $"virtio-blk queue {i}"))];
        limiter?.Attach(WakeAll);
        backend.Resized += OnResized;
    }

    /// <inheritdoc/>
    public string Name => "virtio-blk";

    /// <inheritdoc/>
    public ushort DeviceId => BlockDevice;

    /// <inheritdoc/>
    public uint PciClass => OtherMassStorage;

    /// <inheritdoc/>
    public ulong OfferedFeatures => VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_TOPOLOGY
        | (_isWriteThrough ? 0 : VIRTIO_BLK_F_FLUSH | VIRTIO_BLK_F_CONFIG_WCE)
        | (_servers.Length > 1 ? VIRTIO_BLK_F_MQ : 0)
        | (IsReadOnly ? VIRTIO_BLK_F_RO : VIRTIO_BLK_F_WRITE_ZEROES)
        | (HasDiscard ? VIRTIO_BLK_F_DISCARD : 0);

    /// <inheritdoc/>
    public ReadOnlySpan<ushort> QueueSizes => _queueSizes;

    /// <inheritdoc/>
    public uint ConfigBytes => VirtioBlockRegisters.ConfigBytes;

    /// <summary>What it has done.</summary>
    public VirtioBlockStatistics Statistics
    {
        get
        {
            VirtioBlockStatistics sum = default;
            foreach (BlockRequestServer server in _servers) sum += server.Statistics;
            return sum;
        }
    }

    /// <summary>No request changes the content.</summary>
    internal bool IsReadOnly { get; }

    /// <summary>Whether storage can be given back.</summary>
    internal bool HasDiscard { get; }

    /// <summary>Whether writes are safe only after a flush: the driver knows of flushes and has not chosen otherwise.</summary>
    internal bool IsWriteback => Volatile.Read(ref _isWriteback) && Volatile.Read(ref _activation) is { } activation && activation.Has(VIRTIO_BLK_F_FLUSH);

    /// <inheritdoc/>
    public void ReadConfig(uint offset, Span<byte> data)
    {
        Span<byte> config = stackalloc byte[VirtioBlockRegisters.ConfigBytes];
        config.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(config[Capacity..], _backend.SizeBytes / IBlockBackend.SectorBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(config[SegMax..], (uint)(_queueSizes[0] - FramingDescriptors));
        BinaryPrimitives.WriteUInt32LittleEndian(config[BlkSize..], IBlockBackend.SectorBytes);
        WriteTopology(config);
        config[Writeback] = (byte)(_isWriteback && !_isWriteThrough ? 1 : 0);
        BinaryPrimitives.WriteUInt16LittleEndian(config[NumQueues..], (ushort)_servers.Length);
        if (HasDiscard)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(config[MaxDiscardSectors..], MaxRangeSectors);
            BinaryPrimitives.WriteUInt32LittleEndian(config[MaxDiscardSeg..], MaxRanges);
            BinaryPrimitives.WriteUInt32LittleEndian(config[DiscardSectorAlignment..], _backend.Limits.DiscardBytes / IBlockBackend.SectorBytes);
        }

        if (!IsReadOnly)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(config[MaxWriteZeroesSectors..], MaxRangeSectors);
            BinaryPrimitives.WriteUInt32LittleEndian(config[MaxWriteZeroesSeg..], MaxRanges);
            config[WriteZeroesMayUnmap] = (byte)(HasDiscard ? 1 : 0);
        }

        config.Slice((int)offset, data.Length).CopyTo(data);
    }

    /// <inheritdoc/>
    public void WriteConfig(uint offset, ReadOnlySpan<byte> data)
    {
        if (offset == Writeback && data.Length == 1 && data[0] <= 1) Volatile.Write(ref _isWriteback, data[0] == 1);
    }

    /// <inheritdoc/>
    public void Activate(VirtioActivation activation)
    {
        Volatile.Write(ref _activation, activation);
        for (int i = 0; i < _servers.Length; i++) _servers[i].Begin(activation.Queues[i]);
    }

    /// <inheritdoc/>
    public void OnKick(int queue) => _servers[queue].Wake();

    /// <inheritdoc/>
    public int KickDescriptor(int queue) => _servers[queue].WakeDescriptor;

    /// <inheritdoc/>
    public bool TryListen(int queue, int descriptor) => _servers[queue].TryListen(descriptor);

    /// <inheritdoc/>
    public void StopListening(int queue, int descriptor) => _servers[queue].StopListening(descriptor);

    /// <inheritdoc/>
    public void Reset()
    {
        Volatile.Write(ref _activation, null);
        Volatile.Write(ref _isWriteback, true);
    }

    /// <inheritdoc/>
    public VirtioBlockState Save() => new() { IsWriteback = _isWriteback, SizeBytes = _backend.SizeBytes };

    /// <inheritdoc/>
    public void Restore(VirtioBlockState state)
    {
        if (state.Version != VirtioBlockState.CurrentVersion) throw new StateException($"virtio-blk: state version {state.Version} cannot be restored");
        if (state.SizeBytes != _backend.SizeBytes) throw new StateException($"virtio-blk: the disk's size was {state.SizeBytes} bytes and is {_backend.SizeBytes}");
        _isWriteback = state.IsWriteback;
    }

    /// <summary>Waits for the requests that are under way.</summary>
    public void Dispose()
    {
        _backend.Resized -= OnResized;
        foreach (BlockRequestServer server in _servers) server.End();
    }

    // In logical blocks, which are sectors (§5.2.4).
    private void WriteTopology(Span<byte> config)
    {
        BlockLimits limits = _backend.Limits;
        uint physical = limits.PhysicalBlockBytes / IBlockBackend.SectorBytes;
        config[PhysicalBlockExp] = (byte)BitOperations.Log2(physical);
        BinaryPrimitives.WriteUInt16LittleEndian(config[MinIoSize..], (ushort)physical);
        BinaryPrimitives.WriteUInt32LittleEndian(config[OptIoSize..], limits.OptimalIoBytes / IBlockBackend.SectorBytes);
    }

    private void WakeAll()
    {
        foreach (BlockRequestServer server in _servers) server.Wake();
    }

    private void OnResized() => Volatile.Read(ref _activation)?.ConfigChanged();
}
