using Vmm.Core.Memory;
using Vmm.Host;
using Vmm.Network.User.Sockets;

namespace Vmm.Network.User.Flows;

/// <summary>A socket of the host for datagrams of the guest: stands in line while there may be answers, and ends when it is not used.</summary>
internal abstract class DatagramFlow(GuestLink link, IHostDatagrams socket) : IFrameSource, IHostSocketUser
{
    protected const int ErrorsAtOnce = 16;

    private bool _mayRead, _isClosed;
    private byte _hops;

    /// <inheritdoc/>
    public bool IsInLine { get; set; }

    /// <inheritdoc/>
    public int Queue { get; set; }

    /// <inheritdoc/>
    public bool HasMore => _mayRead && !_isClosed;

    public long LastUsedNs { get; private set; } = link.Clock.NowNs;

    /// <summary>When the flow has not been used for too long.</summary>
    public abstract long DeadlineNs { get; }

    protected IHostDatagrams Socket => socket;

    /// <inheritdoc/>
    public void OnReady(EpollEvents events)
    {
        if (_isClosed) return;
        if ((events & EpollEvents.Error) != 0) TakeErrors();
        _mayRead |= (events & EpollEvents.Readable) != 0;
        if (HasMore) link.Line(this);
    }

    /// <inheritdoc/>
    public int Produce(ReadOnlySpan<IoVec> into, int room)
    {
        if (HasMore) TakeAnswer();
        if (HasMore) link.Line(this);
        return 0;
    }

    /// <summary>Has the host tell of answers. False when it has no room for that.</summary>
    public bool Watch() => socket.Watch(this);

    public void Close()
    {
        _isClosed = true;
        socket.Dispose();
    }

    /// <summary>Takes one datagram from the socket and sends it to the guest.</summary>
    protected abstract void TakeAnswer();

    /// <summary>Tells the guest what the socket has heard by ICMP.</summary>
    protected abstract void TakeErrors();

    protected void Use() => LastUsedNs = link.Clock.NowNs;

    /// <summary>The socket has nothing for now; it tells when that changes.</summary>
    protected void ReadNothing() => _mayRead = false;

    protected void SetTimeToLive(byte hops)
    {
        if (hops != _hops) socket.SetTimeToLive(_hops = hops);
    }
}
