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
        => new(SharedMapping.Create("vhost-user-inflight", BytesFor(queues, queueSize), out file), queues, queueSize);

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

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();

    private static ulong BytesFor(int queues, int queueSize)
        => ((ulong)queues * StrideFor(queueSize) + GuestAddress.PageSize - 1) & ~(ulong)(GuestAddress.PageSize - 1);

    // The packed ring's needs more, and which it will be is not always known in time.
    private static ulong StrideFor(int queueSize) => (PackedLedger.BytesFor(queueSize) + QueueAlignment - 1) & ~(QueueAlignment - 1);
}
