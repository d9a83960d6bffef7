using System.Runtime.InteropServices;
using Vmm.Core.Memory;
using Vmm.Host;
using Vmm.Host.Sockets;
using Vmm.Network.User.Sockets;

namespace Vmm.Network.Tests.User;

/// <summary>A connection to a peer that the test plays.</summary>
internal sealed class FakeStream(FakeHost host, InetEndPoint remote) : FakeSocket(host), IHostStream
{
    private readonly Queue<byte> _toGuest = new();
    private SocketStatus _error;
    private bool _peerEnded;
    private bool _isFull;

    public InetEndPoint Remote => remote;

    /// <summary>What the guest has sent.</summary>
    public List<byte> FromGuest { get; } = [];

    /// <summary>How much more the peer takes.</summary>
    public int Room { get; private set; } = int.MaxValue;

    public bool GuestEnded { get; private set; }

    public bool WasReset { get; private set; }

    /// <summary>Bytes that the network has not read yet.</summary>
    public int Waiting => _toGuest.Count;

    public void SetRoom(int bytes)
    {
        Room = bytes;
        if (bytes <= 0 || !_isFull) return;
        _isFull = false;
        Tell(EpollEvents.Writable);
    }

    public void Connected() => Tell(EpollEvents.Writable);

    public void Fail(SocketStatus error)
    {
        _error = error;
        Tell(EpollEvents.Error | EpollEvents.HangUp | EpollEvents.Readable | EpollEvents.Writable);
    }

    public void Feed(ReadOnlySpan<byte> data)
    {
        foreach (byte b in data) _toGuest.Enqueue(b);
        Tell(EpollEvents.Readable);
    }

    public void End()
    {
        _peerEnded = true;
        Tell(EpollEvents.Readable | EpollEvents.PeerClosed);
    }

    public SocketStatus TakeError()
    {
        SocketStatus error = _error;
        return error;
    }

    public SocketStatus Send(ReadOnlySpan<IoVec> vectors, out int sent)
    {
        sent = 0;
        if (_error != SocketStatus.Ok) return _error;
        Assert.False(IsClosed || GuestEnded, "sent after the end");
        IoCursor.TrySum(vectors, out ulong sum);
        sent = (int)Math.Min(sum, (ulong)Room);
        _isFull = sent < (int)sum;
        if (sent == 0) return SocketStatus.Pending;
        int at = FromGuest.Count;
        CollectionsMarshal.SetCount(FromGuest, at + sent);
        new IoCursor(vectors).Drain(CollectionsMarshal.AsSpan(FromGuest)[at..]);
        Room -= sent;
        return SocketStatus.Ok;
    }

    public SocketStatus Send(ReadOnlySpan<byte> data, out int sent)
    {
        PinnedBuffer copy = new(Math.Max(1, data.Length));
        data.CopyTo(copy.Span);
        return Send([copy.Vector(0, data.Length)], out sent);
    }

    public SocketStatus Receive(Span<byte> buffer, out int received)
    {
        received = 0;
        if (_error != SocketStatus.Ok) return _error;
        Assert.False(IsClosed, "received after the close");
        while (received < buffer.Length && _toGuest.TryDequeue(out byte b)) buffer[received++] = b;
        return received > 0 || _peerEnded ? SocketStatus.Ok : SocketStatus.Pending;
    }

    public SocketStatus ShutdownWrite()
    {
        GuestEnded = true;
        return SocketStatus.Ok;
    }

    public void Abort()
    {
        WasReset = true;
        IsClosed = true;
    }
}
