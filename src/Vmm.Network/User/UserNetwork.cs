using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Core.Time;
using Vmm.Host;
using Vmm.Network.User.Sockets;

namespace Vmm.Network.User;

/// <summary>
/// A network for one guest that needs no privilege: the guest's connections end here and go on as sockets of this process, so it
/// reaches what this process reaches. The network has a gateway (the host), a name server, DHCP, and ports of the host that lead in.
/// One lock guards all; whoever calls (the device's workers, the event loop, the clock) works under it and never waits in it for the outside.
/// </summary>
public sealed class UserNetwork : INetBackend, IHostEvents
{
    private readonly Lock _gate = new();
    private readonly UserStack _stack;
    private readonly int _queues;
    private INetReceiver? _receiver;
    private bool _disposed;

    /// <param name="options">What it is like.</param>
    /// <param name="loop">Watches the sockets; disposed after this object.</param>
    /// <param name="clock">The machine's time: while it stands, connections just wait.</param>
    /// <exception cref="ArgumentException">The options contradict themselves.</exception>
    /// <exception cref="LinuxException">A forwarded port cannot be had.</exception>
    public UserNetwork(UserNetOptions options, EpollLoop loop, IClock clock) : this(options, clock, network => new LinuxHostSockets(loop, network)) { }

    internal UserNetwork(UserNetOptions options, IClock clock, Func<IHostEvents, IHostSockets> sockets)
    {
        foreach ((string key, string why) in options.Check()) throw new ArgumentException($"{key}: {why}", nameof(options));
        _queues = options.Queues;
        // A forwarded port may have a client before the constructor is through.
        lock (_gate) _stack = new(options, sockets(this), clock, OnExpired);
    }

    /// <inheritdoc/>
    public event Action? LinkChanged
    {
        add { }
        remove { }
    }

    /// <inheritdoc/>
    public int QueueCount => _queues;

    /// <inheritdoc/>
    public NetOffloads Offloads => _stack.Offloads;

    /// <summary>Always: there is no cable.</summary>
    public bool IsLinkUp => true;

    /// <summary>What it has done.</summary>
    public UserNetStatistics Statistics
    {
        get
        {
            lock (_gate) return _stack.Statistics;
        }
    }

    /// <inheritdoc/>
    public void Attach(INetReceiver receiver)
    {
        lock (_gate)
        {
            if (_receiver is not null && !_disposed) _stack.Forget();
            _receiver = receiver;
        }
    }

    /// <inheritdoc/>
    public void Configure(NetOffloads accepted, int queues)
    {
        uint wakes;
        lock (_gate)
        {
            if (_disposed) return;
            _stack.Configure(accepted, queues);
            wakes = _stack.TakeWakes();
        }

        Tell(wakes);
    }

    /// <inheritdoc/>
    public NetSendResult Send(int queue, ReadOnlySpan<IoVec> frame)
    {
        NetSendResult result;
        uint wakes;
        lock (_gate)
        {
            if (_disposed) return NetSendResult.Dropped;
            result = _stack.Input(queue, frame);
            wakes = _stack.TakeWakes();
        }

        Tell(wakes);
        return result;
    }

    /// <inheritdoc/>
    public int Receive(int queue, ReadOnlySpan<IoVec> into)
    {
        int bytes;
        uint wakes;
        lock (_gate)
        {
            if (_disposed) return 0;
            bytes = _stack.Output(queue, into);
            wakes = _stack.TakeWakes();
        }

        Tell(wakes);
        return bytes;
    }

    /// <summary>Ends all connections with a reset and gives up the ports.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed) return;
            _disposed = true;
            _stack.Dispose();
        }
    }

    void IHostEvents.OnReady(IHostSocketUser user, EpollEvents events)
    {
        uint wakes;
        lock (_gate)
        {
            if (_disposed) return;
            user.OnReady(events);
            wakes = _stack.TakeWakes();
        }

        Tell(wakes);
    }

    private void OnExpired()
    {
        uint wakes;
        lock (_gate)
        {
            if (_disposed) return;
            _stack.Expire();
            wakes = _stack.TakeWakes();
        }

        Tell(wakes);
    }

    private void Tell(uint wakes)
    {
        if (wakes == 0 || _receiver is not { } receiver) return;
        for (int queue = 0; wakes != 0; queue++, wakes >>= 1)
            if ((wakes & 1) != 0) receiver.FramesReady(queue);
    }
}
