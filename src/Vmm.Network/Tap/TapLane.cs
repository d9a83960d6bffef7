using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Host;
using Vmm.Host.Net;

namespace Vmm.Network.Tap;

/// <summary>One queue of a TAP with its place in the event loop: it is watched only while someone waits for it.</summary>
internal sealed class TapLane : IDisposable
{
    // The kernel takes 1024.
    private const int MostVectors = 1024;

    private readonly Action _framesReady, _roomToSend, _gone;
    private readonly EpollRegistration _registration;
    private readonly PinnedBuffer _spill = new(1);
    private readonly IoVec[] _vectors = new IoVec[MostVectors];
    private readonly IoVec[] _bare = new IoVec[MostVectors];
    private readonly Lock _gate = new();
    private EpollEvents _watched;
    private bool _isEnabled;

    public TapLane(EpollLoop loop, TapQueue queue, Action framesReady, Action roomToSend, Action gone)
    {
        (Queue, _framesReady, _roomToSend, _gone) = (queue, framesReady, roomToSend, gone);
        _isEnabled = true;
        _registration = loop.Add(queue.Fd, EpollEvents.OneShot, OnReady);
    }

    public TapQueue Queue { get; }

    /// <summary>Has the interface use this queue or not.</summary>
    public void Enable(bool on)
    {
        if (Volatile.Read(ref _isEnabled) == on) return;
        // Before: who finds the queue unused must know that this was wanted.
        if (!on) Volatile.Write(ref _isEnabled, false);
        if (Queue.TryEnable(on) && on) Volatile.Write(ref _isEnabled, true);
    }

    public NetSendResult Send(ReadOnlySpan<IoVec> frame)
    {
        if (!Volatile.Read(ref _isEnabled)) return NetSendResult.Dropped;
        if (!Queue.HasHeader) frame = WithoutHeader(frame);
        switch (Queue.Write(frame))
        {
            case TapResult.Done:
                return NetSendResult.Sent;
            case TapResult.Pending:
                Watch(EpollEvents.Writable);
                return NetSendResult.Full;
            case TapResult.Gone:
                Lost();
                return NetSendResult.Dropped;
            default:
                return NetSendResult.Dropped;
        }
    }

    public int Receive(ReadOnlySpan<IoVec> into)
    {
        if (!Volatile.Read(ref _isEnabled) || !IoCursor.TrySum(into, out ulong room)) return 0;
        int headerBytes = Queue.HasHeader ? 0 : INetBackend.HeaderBytes;
        IoCursor rest = new(into);
        if (headerBytes != 0) rest.Clear(INetBackend.HeaderBytes);
        int vectors = rest.Take(room, _vectors.AsSpan(0, MostVectors - 1), out _);
        // One byte more, to see a frame that was cut off.
        _vectors[vectors++] = _spill.Vector(0, 1);
        while (true)
        {
            switch (Queue.Read(_vectors.AsSpan(0, vectors), out int count))
            {
                case TapResult.Done when count + headerBytes <= (int)Math.Min(room, int.MaxValue - INetBackend.HeaderBytes):
                    return count + headerBytes;
                case TapResult.Done:
                    continue;
                case TapResult.Pending:
                    Watch(EpollEvents.Readable);
                    return 0;
                case TapResult.Gone:
                    Lost();
                    return 0;
                default:
                    return 0;
            }
        }
    }

    public void Dispose()
    {
        _registration.Dispose();
        Queue.Dispose();
    }

    private void Lost()
    {
        // A queue that is not in use answers in the same way.
        if (Volatile.Read(ref _isEnabled)) _gone();
    }

    private ReadOnlySpan<IoVec> WithoutHeader(ReadOnlySpan<IoVec> frame)
    {
        IoCursor rest = new(frame);
        rest.Skip(INetBackend.HeaderBytes);
        int count = rest.Take(INetBackend.MostFrameBytes, _bare, out _);
        return _bare.AsSpan(0, count);
    }

    private void Watch(EpollEvents events)
    {
        lock (_gate)
        {
            _watched |= events;
            _registration.Watch(_watched | EpollEvents.OneShot);
        }
    }

    private void OnReady(EpollEvents events)
    {
        EpollEvents answered;
        lock (_gate)
        {
            bool isBad = (events & (EpollEvents.Error | EpollEvents.HangUp)) != 0;
            answered = isBad ? _watched : _watched & events;
            _watched &= ~answered;
            if (_watched != EpollEvents.None) _registration.Watch(_watched | EpollEvents.OneShot);
        }

        if ((answered & EpollEvents.Readable) != 0) _framesReady();
        if ((answered & EpollEvents.Writable) != 0) _roomToSend();
    }
}
