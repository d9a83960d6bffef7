using Vmm.Host;
using Vmm.Host.Sockets;

namespace Vmm.Network.Xend.Server;

/// <summary>Two connections of which each gets what the other sends, until both have ended or one breaks.</summary>
internal sealed class StreamPair : IDisposable
{
    private readonly InetSocket _a, _b;
    private readonly EpollRegistration _ofA, _ofB;
    private readonly Action _ended;
    private readonly Way _there = new(), _back = new();
    private bool _isEnded;

    public StreamPair(EpollLoop loop, InetSocket a, InetSocket b, Action ended)
    {
        (_a, _b, _ended) = (a, b, ended);
        EpollRegistration? first = null;
        try
        {
            first = loop.Add(a.Fd, EpollEvents.OneShot, OnReady);
            _ofB = loop.Add(b.Fd, EpollEvents.OneShot, OnReady);
            _ofA = first;
            Watch();
        }
        catch
        {
            first?.Dispose();
            a.Dispose();
            b.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        if (_isEnded) return;
        _isEnded = true;
        _ofA.Dispose();
        _ofB.Dispose();
        _a.Dispose();
        _b.Dispose();
        _ended();
    }

    private void OnReady(EpollEvents events)
    {
        if (_isEnded) return;
        bool isBroken = !_there.Move(_a, _b) || !_back.Move(_b, _a);
        if (isBroken || (_there.IsDone && _back.IsDone)) Dispose();
        else Watch();
    }

    private void Watch()
    {
        Watch(_ofA, EventsOf(_there, _back));
        Watch(_ofB, EventsOf(_back, _there));
    }

    // Of a connection that nothing is wanted from, the kernel would tell again and again that it has ended.
    private static void Watch(EpollRegistration of, EpollEvents events)
    {
        if (events != EpollEvents.None) of.Watch(events | EpollEvents.OneShot);
    }

    private static EpollEvents EventsOf(Way from, Way to) => (from.WantsMore ? EpollEvents.Readable : EpollEvents.None) | (to.HasSome ? EpollEvents.Writable : EpollEvents.None);

    /// <summary>What is on its way in one direction.</summary>
    private sealed class Way
    {
        private readonly byte[] _bytes = new byte[16 << 10];
        private int _start, _count;
        private bool _hasEnded;

        public bool WantsMore => _count == 0 && !_hasEnded;

        public bool HasSome => _count != 0;

        public bool IsDone => _hasEnded && _count == 0;

        /// <returns>False when a connection is broken.</returns>
        public bool Move(InetSocket from, InetSocket to)
        {
            if (WantsMore)
            {
                SocketStatus got = from.Receive(_bytes, out int count);
                if (got is not (SocketStatus.Ok or SocketStatus.Pending)) return false;
                if (got == SocketStatus.Ok) (_start, _count, _hasEnded) = (0, count, count == 0);
                if (_hasEnded) return to.ShutdownWrite() is SocketStatus.Ok or SocketStatus.Failed;
            }

            if (!HasSome) return true;
            SocketStatus sent = to.Send(_bytes.AsSpan(_start, _count), out int taken);
            if (sent is not (SocketStatus.Ok or SocketStatus.Pending)) return false;
            _start += taken;
            _count -= taken;
            return true;
        }
    }
}
