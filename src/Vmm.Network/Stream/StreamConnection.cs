using Vmm.Host;
using Vmm.Host.Net;

namespace Vmm.Network.Stream;

/// <summary>A peer's socket, watched only for what someone waits for.</summary>
internal sealed class StreamConnection : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Action _readable, _writable;
    private readonly EpollRegistration _registration;
    private EpollEvents _watched;
    private bool _isDisposed;

    public StreamConnection(EpollLoop loop, StreamSocket socket, Action readable, Action writable)
    {
        (Socket, _readable, _writable) = (socket, readable, writable);
        _registration = loop.Add(socket.Fd, EpollEvents.OneShot, OnReady);
    }

    public StreamSocket Socket { get; }

    public void Watch(EpollEvents events)
    {
        lock (_gate)
        {
            if (_isDisposed) return;
            _watched |= events;
            _registration.Watch(_watched | EpollEvents.OneShot);
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _isDisposed = true;
            _registration.Dispose();
            Socket.Dispose();
        }
    }

    private void OnReady(EpollEvents events)
    {
        EpollEvents answered;
        lock (_gate)
        {
            if (_isDisposed) return;
            bool isBad = (events & (EpollEvents.Error | EpollEvents.HangUp)) != 0;
            answered = isBad ? _watched : _watched & events;
            _watched &= ~answered;
            if (_watched != EpollEvents.None) _registration.Watch(_watched | EpollEvents.OneShot);
        }

        if ((answered & EpollEvents.Readable) != 0) _readable();
        if ((answered & EpollEvents.Writable) != 0) _writable();
    }
}
