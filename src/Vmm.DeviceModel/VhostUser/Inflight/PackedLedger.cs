using Vmm.Core.Memory;
using Vmm.Devices.Virtio.Queue;
using Vmm.Host;

namespace Vmm.DeviceModel.VhostUser.Inflight;

/// <summary>
/// The account of a packed ring (vhost-user, "QueueRegionPacked"). The device overwrites descriptors in the ring when it gives chains back,
/// so that there is a copy of each that is out. What this process knows of the account it does not read from there again.
/// </summary>
internal sealed class PackedLedger : IChainLedger
{
    private const ushort CurrentVersion = 1;
    private const ushort WrapBit = 1 << 15;

    // QueueRegionPacked.
    private const ulong VersionAt = 8, DescNumAt = 10, FreeHeadAt = 12, OldFreeHeadAt = 14, UsedIdxAt = 16, OldUsedIdxAt = 18, UsedWrapAt = 20, OldUsedWrapAt = 21,
        HeaderBytes = 32;

    // DescStatePacked.
    private const ulong InflightAt = 0, NextAt = 2, LastAt = 4, NumAt = 6, CounterAt = 8, IdAt = 16, FlagsAt = 18, LenAt = 20, AddrAt = 24, EntryBytes = 32;

    private readonly SharedMapping _memory;
    private readonly ulong _start;
    private readonly int _size;
    private readonly LeftChains _left = new();
    private readonly ushort[] _next, _last, _num, _batch;
    private int _freeHead, _head, _staged, _cursor;
    private ulong _counter;

    private PackedLedger(SharedMapping memory, ulong start, int size)
    {
        (_memory, _start, _size) = (memory, start, size);
        (_next, _last, _num, _batch) = (new ushort[size], new ushort[size], new ushort[size], new ushort[size]);
    }

    /// <inheritdoc/>
    public bool HasLeft => _left.Count != 0;

    public static ulong BytesFor(int size) => HeaderBytes + (ulong)size * EntryBytes;

    public static PackedLedger? Resume(SharedMapping memory, ulong start, in VirtQueueSetup setup, GuestMemory guest, ref VirtRingPosition position)
    {
        PackedLedger ledger = new(memory, start, setup.Size);
        return ledger.TryRecover(setup, guest, ref position) ? ledger : null;
    }

    /// <inheritdoc/>
    public void Read(in PackedDescriptor descriptor, bool isFirst, bool isLast)
    {
        int at = _freeHead;
        if (isFirst)
        {
            _head = at;
            _num[_head] = 0;
            _memory.Write<ushort>(At(_head) + NumAt, 0);
            _memory.Write(At(_head) + CounterAt, _counter++);
            SetInflight(_head, true);
        }

        if (isLast) SetLast(_head, at);
        _memory.Write(At(_head) + NumAt, ++_num[_head]);
        _memory.Write(At(at) + AddrAt, descriptor.Address);
        _memory.Write(At(at) + LenAt, descriptor.Length);
        _memory.Write(At(at) + FlagsAt, (ushort)descriptor.Flags);
        _memory.Write(At(at) + IdAt, descriptor.Id);
        SetFreeHead(_next[at]);
        if (isLast) _memory.Write(_start + OldFreeHeadAt, (ushort)_freeHead);
    }

    /// <inheritdoc/>
    public void Taken(VirtChain chain) => chain.Entry = _head;

    /// <inheritdoc/>
    public void Staged(VirtChain chain)
    {
        Free(chain.Entry);
        _batch[_staged++] = (ushort)chain.Entry;
    }

    /// <inheritdoc/>
    public void Publishing(in VirtRingPosition position) => SetUsed(UsedIdxAt, UsedWrapAt, position.NextUsed);

    /// <inheritdoc/>
    public void Published(in VirtRingPosition position)
    {
        for (int i = 0; i < _staged; i++) SetInflight(_batch[i], false);
        _staged = 0;
        _memory.Write(_start + OldFreeHeadAt, (ushort)_freeHead);
        SetUsed(OldUsedIdxAt, OldUsedWrapAt, position.NextUsed);
    }

    /// <inheritdoc/>
    public void PutBack(VirtChain chain)
    {
        if (chain.IsLeft)
        {
            _left.PutBack(chain.Entry);
            return;
        }

        Free(chain.Entry);
        SetInflight(chain.Entry, false);
        _memory.Write(_start + OldFreeHeadAt, (ushort)_freeHead);
    }

    /// <inheritdoc/>
    public void TakeLeft(VirtChain chain) => _cursor = chain.Entry = _left.Take();

    /// <inheritdoc/>
    public bool TryReadLeft(VirtChain chain, int index, out PackedDescriptor descriptor)
    {
        descriptor = default;
        if (index >= _num[chain.Entry]) return false;
        if (index != 0) _cursor = _next[_cursor];
        if (_cursor >= _size) return false;
        ulong at = At(_cursor);
        // How long the chain is was judged before; what stands there now may say something else.
        VirtqDescriptorFlags flags = (VirtqDescriptorFlags)_memory.Read<ushort>(at + FlagsAt) & ~VirtqDescriptorFlags.VIRTQ_DESC_F_NEXT;
        if (index + 1 < _num[chain.Entry]) flags |= VirtqDescriptorFlags.VIRTQ_DESC_F_NEXT;
        descriptor = new(_memory.Read<ulong>(at + AddrAt), _memory.Read<uint>(at + LenAt), _memory.Read<ushort>(at + IdAt), flags);
        return true;
    }

    private bool TryRecover(in VirtQueueSetup setup, GuestMemory guest, ref VirtRingPosition position)
    {
        bool isKnown = _memory.Read<ushort>(_start + VersionAt) == CurrentVersion && _memory.Read<ushort>(_start + DescNumAt) == _size;
        if (!isKnown)
        {
            Forget(position);
            return true;
        }

        ushort oldUsed = Used(OldUsedIdxAt, OldUsedWrapAt), used = Used(UsedIdxAt, UsedWrapAt);
        int freeHead = _memory.Read<ushort>(_start + OldFreeHeadAt);
        if (used != oldUsed && IsSubmitted(setup, guest, oldUsed)) (oldUsed, freeHead) = (used, _memory.Read<ushort>(_start + FreeHeadAt));
        if ((oldUsed & ~WrapBit) >= _size) return false;
        for (int i = 0; i < _size; i++)
            (_next[i], _last[i], _num[i]) = (_memory.Read<ushort>(At(i) + NextAt), _memory.Read<ushort>(At(i) + LastAt), _memory.Read<ushort>(At(i) + NumAt));
        ClearFree(freeHead);
        SetUsed(UsedIdxAt, UsedWrapAt, oldUsed);
        SetUsed(OldUsedIdxAt, OldUsedWrapAt, oldUsed);
        bool[] isTaken = new bool[_size];
        if (!TryCollect(isTaken, out int slots)) return false;
        // A front end cannot see where a packed ring stands whose server is gone: this account does.
        Relink(isTaken);
        position = new(PackedRing.Advance(oldUsed, slots, _size), oldUsed, oldUsed);
        return true;
    }

    private bool IsSubmitted(in VirtQueueSetup setup, GuestMemory guest, ushort position)
    {
        int index = position & ~WrapBit;
        if (index >= _size || !guest.TryRead(new GuestAddress(setup.Descriptors) + (ulong)index * PackedDescriptor.SizeBytes, out PackedDescriptor descriptor)) return false;
        bool wrap = (position & WrapBit) != 0;
        bool isAvailable = ((descriptor.Flags & VirtqDescriptorFlags.VIRTQ_DESC_F_AVAIL) != 0) == wrap
            && ((descriptor.Flags & VirtqDescriptorFlags.VIRTQ_DESC_F_USED) != 0) != wrap;
        return !isAvailable;
    }

    private void ClearFree(int head)
    {
        for (int count = 0; head < _size && count < _size; count++, head = _next[head]) SetInflight(head, false);
    }

    private bool TryCollect(bool[] isTaken, out int slots)
    {
        slots = 0;
        for (int entry = 0; entry < _size; entry++)
        {
            if (_memory.Read<byte>(At(entry) + InflightAt) == 0) continue;
            if (!TryWalk(entry, isTaken)) return false;
            slots += _num[entry];
            ulong counter = _memory.Read<ulong>(At(entry) + CounterAt);
            _left.Add(entry, counter);
            _counter = Math.Max(_counter, unchecked(counter + 1));
        }

        _left.Sort();
        return true;
    }

    /// <summary>Goes through the entries of a chain, which no other chain may have.</summary>
    private bool TryWalk(int head, bool[] isTaken)
    {
        int at = head;
        for (int i = 0; i < _num[head]; i++)
        {
            if (at >= _size || isTaken[at]) return false;
            isTaken[at] = true;
            _last[head] = (ushort)at;
            at = _next[at];
        }

        return _num[head] != 0;
    }

    /// <summary>Makes the list of free entries anew of all that no chain has, whatever it was before.</summary>
    private void Relink(bool[] isTaken)
    {
        int head = _size;
        for (int entry = _size - 1; entry >= 0; entry--)
        {
            if (isTaken[entry]) continue;
            SetNext(entry, head);
            head = entry;
        }

        SetFreeHead(head);
        _memory.Write(_start + OldFreeHeadAt, (ushort)head);
    }

    private void Forget(in VirtRingPosition position)
    {
        _memory.Write<ushort>(_start + VersionAt, 0);
        for (int i = 0; i < _size; i++)
        {
            SetInflight(i, false);
            SetNext(i, i + 1);
        }

        SetFreeHead(0);
        _memory.Write<ushort>(_start + OldFreeHeadAt, 0);
        SetUsed(UsedIdxAt, UsedWrapAt, position.NextUsed);
        SetUsed(OldUsedIdxAt, OldUsedWrapAt, position.NextUsed);
        _memory.Write(_start + DescNumAt, (ushort)_size);
        _memory.Write(_start + VersionAt, CurrentVersion);
    }

    private void Free(int entry)
    {
        SetNext(_last[entry], _freeHead);
        SetFreeHead(entry);
    }

    private void SetNext(int entry, int next)
    {
        _next[entry] = (ushort)next;
        _memory.Write(At(entry) + NextAt, (ushort)next);
    }

    private void SetLast(int entry, int last)
    {
        _last[entry] = (ushort)last;
        _memory.Write(At(entry) + LastAt, (ushort)last);
    }

    private void SetFreeHead(int entry)
    {
        _freeHead = entry;
        _memory.Write(_start + FreeHeadAt, (ushort)entry);
    }

    private void SetInflight(int entry, bool isOut) => _memory.Write(At(entry) + InflightAt, (byte)(isOut ? 1 : 0));

    private void SetUsed(ulong indexAt, ulong wrapAt, ushort position)
    {
        _memory.Write(_start + indexAt, (ushort)(position & ~WrapBit));
        _memory.Write(_start + wrapAt, (byte)((position & WrapBit) != 0 ? 1 : 0));
    }

    private ushort Used(ulong indexAt, ulong wrapAt)
    {
        int index = _memory.Read<ushort>(_start + indexAt) & ~WrapBit;
        return (ushort)(index | (_memory.Read<byte>(_start + wrapAt) != 0 ? WrapBit : 0));
    }

    private ulong At(int entry) => _start + HeaderBytes + (ulong)entry * EntryBytes;
}
