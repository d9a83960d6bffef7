using Vmm.Core.Memory;
using Vmm.DeviceModel.VhostUser.Messages;
using Vmm.Devices.Virtio.Queue;
using Vmm.Host;

namespace Vmm.DeviceModel.VhostUser.Inflight;

/// <summary>
/// The memory in which a back end keeps account of what is under way, and which the front end keeps for its successor (vhost-user, "Inflight
/// I/O tracking"). The front end can write what it likes there: every number is judged before it is used.
/// </summary>
internal sealed class InflightRegion : IDisposable
{
    private const ulong QueueAlignment = 64;

    // Behind the queues, which is nobody else's business: the device's own state, twice, so that there is always a whole one.
    private const int MemoHeaderBytes = 8, MostMemoBytes = 16 << 10, Memos = 2, SequenceShift = 32;

    private readonly SharedMapping _memory;

    private InflightRegion(SharedMapping memory, int queues, int queueSize) => (_memory, Queues, QueueSize) = (memory, queues, queueSize);

    /// <summary>Queues that it has room for.</summary>
    public int Queues { get; }

    /// <summary>Entries of each.</summary>
    public int QueueSize { get; }

    /// <summary>Makes a new one, all zero.</summary>
    /// <param name="queues">Queues.</param>
    /// <param name="queueSize">Entries of each.</param>
    /// <param name="file">To be sent to the front end and closed.</param>
    /// <exception cref="LinuxException">The host has no memory for it.</exception>
    public static InflightRegion Create(int queues, int queueSize, out LinuxFile file)
        => new(SharedMapping.Create("vhost-user-inflight", BytesFor(queues, queueSize) + MemoAt(Memos), out file), queues, queueSize);

    /// <summary>Takes over what a predecessor left.</summary>
    /// <exception cref="LinuxException">It is too small, or cannot be mapped.</exception>
    public static InflightRegion Map(LinuxFile file, in InflightDescription description)
    {
        ulong needed = BytesFor(description.Queues, description.QueueSize);
        if (description.SizeBytes < needed) throw new LinuxException($"in-flight memory of {description.SizeBytes} bytes is less than {needed}");
        return new(SharedMapping.Map(file, description.Offset, description.SizeBytes, "in-flight memory"), description.Queues, description.QueueSize);
    }

    /// <summary>Its length in bytes.</summary>
    public ulong SizeBytes => _memory.SizeBytes;

    /// <summary>Finds out where a ring stands and what of it is to be done again, and keeps account of it from now on.</summary>
    /// <param name="queue">The queue's number.</param>
    /// <param name="setup">Where it is.</param>
    /// <param name="isPacked">The layout of the ring.</param>
    /// <param name="memory">Guest memory.</param>
    /// <param name="position">Where the front end says that it stands; changed where the account knows better.</param>
    /// <returns>The account; null when it makes no sense.</returns>
    public IChainLedger? Resume(int queue, in VirtQueueSetup setup, bool isPacked, GuestMemory memory, ref VirtRingPosition position)
    {
        if (queue >= Queues || setup.Size > QueueSize) return null;
        ulong start = (ulong)queue * StrideFor(QueueSize);
        if (isPacked) return PackedLedger.Resume(_memory, start, setup, memory, ref position);
        return SplitLedger.Resume(_memory, start, setup.Size, ref position);
    }

    /// <summary>Keeps the device's own state for a successor. One thread at a time.</summary>
    /// <returns>False when there is no room for it.</returns>
    public bool TryKeep(ReadOnlySpan<byte> state)
    {
        if (state.Length > MostMemoBytes || !HasMemos) return false;
        int last = LastMemo(out ulong header);
        uint sequence = last < 0 ? 1 : (uint)(header >> SequenceShift) + 1;
        ulong at = MemosStart + MemoAt(last == 0 ? 1 : 0);
        _memory.Write(at + MemoHeaderBytes, state);
        // Last: it makes this one the newest.
        _memory.Write(at, (ulong)sequence << SequenceShift | (uint)state.Length);
        return true;
    }

    /// <summary>The state that was kept last; empty for none.</summary>
    public byte[] Kept()
    {
        if (!HasMemos) return [];
        int last = LastMemo(out ulong header);
        if (last < 0) return [];
        byte[] state = new byte[(uint)header];
        _memory.Read(MemosStart + MemoAt(last) + MemoHeaderBytes, state);
        return state;
    }

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();

    private ulong MemosStart => BytesFor(Queues, QueueSize);

    private bool HasMemos => SizeBytes >= MemosStart + MemoAt(Memos);

    /// <summary>The newest that makes sense; -1 for none.</summary>
    private int LastMemo(out ulong header)
    {
        (int last, header) = (-1, 0);
        for (int i = 0; i < Memos; i++)
        {
            ulong found = _memory.Read<ulong>(MemosStart + MemoAt(i));
            if ((uint)found is 0 or > MostMemoBytes || found >> SequenceShift <= header >> SequenceShift) continue;
            (last, header) = (i, found);
        }

        return last;
    }

    private static ulong MemoAt(int index) => (ulong)(index * (MemoHeaderBytes + MostMemoBytes));

    private static ulong BytesFor(int queues, int queueSize)
        => ((ulong)queues * StrideFor(queueSize) + GuestAddress.PageSize - 1) & ~(ulong)(GuestAddress.PageSize - 1);

    // The packed ring's needs more, and which it will be is not always known in time.
    private static ulong StrideFor(int queueSize) => (PackedLedger.BytesFor(queueSize) + QueueAlignment - 1) & ~(QueueAlignment - 1);
}
