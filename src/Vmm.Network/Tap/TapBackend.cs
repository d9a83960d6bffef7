using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Host;
using Vmm.Host.Net;

namespace Vmm.Network.Tap;

/// <summary>A link that ends in a TAP device of the host. What the guest leaves undone the kernel does, and the other way round.</summary>
public sealed class TapBackend : INetBackend
{
    private readonly TapLane[] _lanes;
    private readonly Action<string> _report;
    private readonly Lock _gate = new();
    private INetReceiver? _receiver;
    private bool _isGone;

    /// <param name="loop">Where the descriptors are watched.</param>
    /// <param name="queues">The queues, all of one interface. Closed with this object.</param>
    /// <param name="mtu">The interface's.</param>
    /// <param name="report">Takes one line when the interface goes away.</param>
    public TapBackend(EpollLoop loop, IReadOnlyList<TapQueue> queues, ushort mtu, Action<string> report)
    {
        (_report, Mtu, Name) = (report, mtu, queues[0].Name);
        bool hasHeader = queues.All(queue => queue.HasHeader);
        bool hasUso = hasHeader && queues[0].TrySetOffloads(Uso | TapOffloads.TUN_F_CSUM);
        Offloads = !hasHeader ? NetOffloads.None
            : NetOffloads.Checksum | NetOffloads.Tso4 | NetOffloads.Tso6 | NetOffloads.TsoEcn | (hasUso ? NetOffloads.Uso : NetOffloads.None);
        _lanes = [.. queues.Select((queue, i) => new TapLane(loop, queue, () => Volatile.Read(ref _receiver)?.FramesReady(i), () => Volatile.Read(ref _receiver)?.RoomToSend(i), Gone))];
        Configure(NetOffloads.None, 1);
    }

    /// <inheritdoc/>
    public event Action? LinkChanged;

    /// <summary>The interface's name.</summary>
    public string Name { get; }

    /// <summary>The most bytes of a packet.</summary>
    public ushort Mtu { get; }

    /// <inheritdoc/>
    public int QueueCount => _lanes.Length;

    /// <inheritdoc/>
    public NetOffloads Offloads { get; }

    /// <inheritdoc/>
    public bool IsLinkUp => !Volatile.Read(ref _isGone);

    private static TapOffloads Uso => TapOffloads.TUN_F_USO4 | TapOffloads.TUN_F_USO6;

    /// <inheritdoc/>
    public void Attach(INetReceiver receiver) => Volatile.Write(ref _receiver, receiver);

    /// <inheritdoc/>
    public void Configure(NetOffloads accepted, int queues)
    {
        accepted &= Offloads;
        TapOffloads offloads = TapOffloads.None;
        if ((accepted & NetOffloads.Checksum) != 0)
        {
            offloads = TapOffloads.TUN_F_CSUM
                | ((accepted & NetOffloads.Tso4) != 0 ? TapOffloads.TUN_F_TSO4 : 0)
                | ((accepted & NetOffloads.Tso6) != 0 ? TapOffloads.TUN_F_TSO6 : 0)
                | ((accepted & NetOffloads.TsoEcn) != 0 ? TapOffloads.TUN_F_TSO_ECN : 0)
                | ((accepted & NetOffloads.Uso) != 0 ? Uso : 0);
        }

        lock (_gate)
        {
            // An interface that is gone refuses; its link is down anyway.
            for (int i = 0; i < _lanes.Length; i++) _lanes[i].Enable(i < queues);
            if (Offloads != NetOffloads.None) _lanes[0].Queue.TrySetOffloads(offloads);
        }
    }

    /// <inheritdoc/>
    public NetSendResult Send(int queue, ReadOnlySpan<IoVec> frame) => _lanes[queue].Send(frame);

    /// <inheritdoc/>
    public int Receive(int queue, ReadOnlySpan<IoVec> into) => _lanes[queue].Receive(into);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (TapLane lane in _lanes) lane.Dispose();
    }

    private void Gone()
    {
        lock (_gate)
        {
            if (_isGone) return;
            Volatile.Write(ref _isGone, true);
        }

        _report($"the TAP device {Name} has been removed");
        LinkChanged?.Invoke();
    }
}
