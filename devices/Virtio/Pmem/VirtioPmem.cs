using System.Buffers.Binary;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Core.State;
using Vmm.Devices.Virtio.Queue;

namespace Vmm.Devices.Virtio.Pmem;

/// <summary>
/// Persistent memory (virtio 1.2 §5.19): the guest reads and writes a range of its memory that is a file of the host, and asks here for
/// what it has written to be made safe. Requests that wait together are served by one flush.
/// </summary>
public sealed class VirtioPmem : IVirtioDevice, IStateful<VirtioPmemState>, IDisposable
{
    private const ushort PmemDevice = 27;
    private const uint OtherMassStorage = 0x018000;
    private const ushort QueueSize = 64;
    private const uint VIRTIO_PMEM_REQ_TYPE_FLUSH = 0;
    private const uint Done = 0, Failed = uint.MaxValue;
    private const int RangeBytes = 2 * sizeof(ulong);

    private static readonly ushort[] Sizes = [QueueSize];

    private readonly IPmemBackend _backend;
    private readonly GuestAddress _start;
    private readonly IWorker _worker;
    private readonly bool[] _asksFlush = new bool[QueueSize];
    private VirtQueue? _queue;
    private VirtChain[] _chains = [];

    // Counted by the worker alone; read by anyone.
    private ulong _requests, _flushes, _errors;

    /// <param name="backend">The file. Stays the caller's.</param>
    /// <param name="start">Where the guest has it in its memory.</param>
    /// <param name="workers">Who flushes.</param>
    public VirtioPmem(IPmemBackend backend, GuestAddress start, IWorkers workers)
    {
        (_backend, _start) = (backend, start);
        _worker = workers.Create(Name, Serve);
    }

    /// <inheritdoc/>
    public string Name => "virtio-pmem";

    /// <inheritdoc/>
    public ushort DeviceId => PmemDevice;

    /// <inheritdoc/>
    public uint PciClass => OtherMassStorage;

    /// <inheritdoc/>
    public ulong OfferedFeatures => VirtioFeatures.VIRTIO_F_IN_ORDER;

    /// <inheritdoc/>
    public ReadOnlySpan<ushort> QueueSizes => Sizes;

    /// <inheritdoc/>
    public uint ConfigBytes => RangeBytes;

    /// <summary>What it has done.</summary>
    public VirtioPmemStatistics Statistics => new(Volatile.Read(ref _requests), Volatile.Read(ref _flushes), Volatile.Read(ref _errors));

    /// <inheritdoc/>
    public void ReadConfig(uint offset, Span<byte> data)
    {
        Span<byte> config = stackalloc byte[RangeBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(config, _start.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(config[sizeof(ulong)..], _backend.SizeBytes);
        config.Slice((int)offset, data.Length).CopyTo(data);
    }

    /// <inheritdoc/>
    public void WriteConfig(uint offset, ReadOnlySpan<byte> data) { }

    /// <inheritdoc/>
    public void Activate(VirtioActivation activation)
    {
        Volatile.Write(ref _queue, activation.Queues[0]);
        _worker.Wake();
    }

    /// <inheritdoc/>
    public void OnKick(int queue) => _worker.Wake();

    /// <inheritdoc/>
    public int KickDescriptor(int queue) => _worker.WakeDescriptor;

    /// <inheritdoc/>
    public void Reset() { }

    /// <inheritdoc/>
    public VirtioPmemState Save() => new() { Start = _start.Value, SizeBytes = _backend.SizeBytes };

    /// <inheritdoc/>
    public void Restore(VirtioPmemState state)
    {
        // The guest has its mappings there already.
        if (state.Version != VirtioPmemState.CurrentVersion || state.Start != _start.Value || state.SizeBytes != _backend.SizeBytes)
            throw new StateException($"virtio-pmem: version {state.Version} of {state.SizeBytes} bytes at 0x{state.Start:x} cannot be restored into {_backend.SizeBytes} bytes at {_start}");
    }

    /// <summary>Waits for a flush that is under way.</summary>
    public void Dispose() => _worker.Dispose();

    private void Serve()
    {
        if (Volatile.Read(ref _queue) is not { } queue) return;
        if (_chains.Length == 0) _chains = [.. Enumerable.Range(0, QueueSize).Select(_ => queue.NewChain())];
        int count = 0;
        bool flushes = false;
        while (count < QueueSize && queue.TryPop(_chains[count]))
        {
            if (!TryRead(queue, _chains[count], out _asksFlush[count])) return;
            flushes |= _asksFlush[count++];
        }

        if (count == 0) return;
        // One flush makes safe what every request that is here by now has asked for.
        BlockResult result = flushes ? _backend.Flush() : BlockResult.Ok;
        if (flushes) Count(ref _flushes, 1);
        for (int i = 0; i < count; i++) Answer(queue, _chains[i], _asksFlush[i] && result == BlockResult.Ok);
        queue.Signal();
        _worker.Wake();
    }

    /// <returns>False when it is no request at all: then nothing more is served.</returns>
    private bool TryRead(VirtQueue queue, VirtChain chain, out bool asksFlush)
    {
        Span<byte> type = stackalloc byte[sizeof(uint)];
        asksFlush = false;
        if (chain.WritableBytes >= sizeof(uint) && chain.TryRead(0, type))
        {
            asksFlush = BinaryPrimitives.ReadUInt32LittleEndian(type) == VIRTIO_PMEM_REQ_TYPE_FLUSH;
            return true;
        }

        queue.Break($"a request has {chain.ReadableBytes} bytes to read and {chain.WritableBytes} to write");
        foreach (VirtChain open in _chains)
        {
            // The ones before it came in the same round.
            queue.Push(open, 0);
            if (open == chain) break;
        }

        return false;
    }

    private void Answer(VirtQueue queue, VirtChain chain, bool isDone)
    {
        Span<byte> answer = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(answer, isDone ? Done : Failed);
        chain.TryWrite(0, answer);
        queue.Push(chain, sizeof(uint));
        Count(ref _requests, 1);
        if (!isDone) Count(ref _errors, 1);
    }

    private static void Count(ref ulong counter, ulong by) => Volatile.Write(ref counter, counter + by);
}
