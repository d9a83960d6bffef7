using Vmm.Devices.Virtio.Queue;
using Vmm.Host;

namespace Vmm.DeviceModel.VhostUser.Inflight;

/// <summary>The account of a split ring: an entry for each head descriptor (vhost-user, "QueueRegionSplit").</summary>
internal sealed class SplitLedger : IChainLedger
{
    private const ushort CurrentVersion = 1;

    // QueueRegionSplit.
    private const ulong VersionAt = 8, DescNumAt = 10, LastBatchHeadAt = 12, UsedIdxAt = 14, HeaderBytes = 16;

    // DescStateSplit.
    private const ulong InflightAt = 0, NextAt = 6, CounterAt = 8, EntryBytes = 16;

    private readonly SharedMapping _memory;
    private readonly ulong _start;
    private readonly LeftChains _left = new();
    private readonly ushort[] _batch;
    private int _staged;
    private ulong _counter;

    private SplitLedger(SharedMapping memory, ulong start, int size) => (_memory, _start, _batch) = (memory, start, new ushort[size]);

    /// <inheritdoc/>
    public bool HasLeft => _left.Count != 0;

    public static SplitLedger Resume(SharedMapping memory, ulong start, ushort size, ref VirtRingPosition position)
    {
        SplitLedger ledger = new(memory, start, size);
        ledger.Recover(size, ref position);
        return ledger;
    }

    /// <inheritdoc/>
    public void Read(in PackedDescriptor descriptor, bool isFirst, bool isLast) { }

    /// <inheritdoc/>
    public void Taken(VirtChain chain)
    {
        chain.Entry = chain.Id;
        _memory.Write(At(chain.Id) + CounterAt, _counter++);
        SetInflight(chain.Id, true);
    }

    /// <inheritdoc/>
    public void Staged(VirtChain chain)
    {
        _memory.Write(At(chain.Id) + NextAt, _memory.Read<ushort>(_start + LastBatchHeadAt));
        _memory.Write(_start + LastBatchHeadAt, chain.Id);
        _batch[_staged++] = chain.Id;
    }

    /// <inheritdoc/>
    public void Publishing(in VirtRingPosition position) { }

    /// <inheritdoc/>
    public void Published(in VirtRingPosition position)
    {
        for (int i = 0; i < _staged; i++) SetInflight(_batch[i], false);
        _staged = 0;
        _memory.Write(_start + UsedIdxAt, position.NextUsed);
    }

    /// <inheritdoc/>
    public void PutBack(VirtChain chain)
    {
        if (chain.IsLeft) _left.PutBack(chain.Entry);
        else SetInflight(chain.Id, false);
    }

    /// <inheritdoc/>
    public void TakeLeft(VirtChain chain) => chain.Entry = _left.Take();

    /// <inheritdoc/>
    public bool TryReadLeft(VirtChain chain, int index, out PackedDescriptor descriptor)
    {
        descriptor = default;
        return false;
    }

    private void Recover(ushort size, ref VirtRingPosition position)
    {
        bool isKnown = _memory.Read<ushort>(_start + VersionAt) == CurrentVersion && _memory.Read<ushort>(_start + DescNumAt) == size;
        ushort batch = (ushort)(position.NextUsed - _memory.Read<ushort>(_start + UsedIdxAt));
        if (!isKnown || batch > size) Forget(size);
        else CommitBatch(size, batch);
        _memory.Write(_start + UsedIdxAt, position.NextUsed);
        for (int head = 0; head < size; head++)
        {
            if (_memory.Read<byte>(At(head) + InflightAt) == 0) continue;
            ulong counter = _memory.Read<ulong>(At(head) + CounterAt);
            _left.Add(head, counter);
            _counter = Math.Max(_counter, unchecked(counter + 1));
        }

        _left.Sort();
        // What is out was taken from the ring; where nothing is out, the front end knows.
        if (HasLeft) position = position with { NextAvailable = (ushort)(position.NextUsed + _left.Count) };
    }

    private void Forget(ushort size)
    {
        _memory.Write<ushort>(_start + VersionAt, 0);
        for (int head = 0; head < size; head++) SetInflight(head, false);
        _memory.Write<ushort>(_start + LastBatchHeadAt, 0);
        _memory.Write(_start + DescNumAt, size);
        _memory.Write(_start + VersionAt, CurrentVersion);
    }

    /// <summary>The driver has seen the last batch, and the end came before that was noted.</summary>
    private void CommitBatch(ushort size, int count)
    {
        int head = _memory.Read<ushort>(_start + LastBatchHeadAt);
        for (; count > 0 && head < size; count--)
        {
            SetInflight(head, false);
            head = _memory.Read<ushort>(At(head) + NextAt);
        }
    }

    private void SetInflight(int head, bool isOut) => _memory.Write(At(head) + InflightAt, (byte)(isOut ? 1 : 0));

    private ulong At(int head) => _start + HeaderBytes + (ulong)head * EntryBytes;
}
