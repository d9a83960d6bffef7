using Vmm.Host;
using Vmm.Host.Sockets;
using Vmm.Network.User.Packets;
using Vmm.Network.User.Sockets;

namespace Vmm.Network.User.Tcp;

/// <summary>
/// One connection: towards the guest an end point of TCP (RFC 9293, 7323, 6298), towards the peer a socket of the host. Data of the guest
/// go into the socket and are acknowledged once the socket or our bounded buffer has them; data of the peer are read as far
/// as the guest's window lets them through. What is to be sent follows from the state, so nothing waits in line but the flow itself.
/// This part: birth, the host's side and death.
/// </summary>
internal sealed partial class TcpFlow : IFrameSource, IHostSocketUser
{
    private readonly TcpFlows _owner;
    private readonly GuestLink _link;
    private readonly IHostStream _stream;

    // Towards the host, towards the guest.
    private readonly ByteQueue _in;
    private readonly ByteQueue _out;

    private TcpState _state;
    private bool _mayRead;
    private bool _mayWrite;
    private bool _peerClosed;

    // The peer sends no more; the guest sends no more; the host socket has been told.
    private bool _hostEnded;
    private bool _guestEnded;
    private bool _hostTold;

    public TcpFlow(TcpFlows owner, TcpKey key, IHostStream stream)
    {
        _owner = owner;
        _link = owner.Link;
        _stream = stream;
        Key = key;
        _in = new(owner.Pool);
        _out = new(owner.Pool);
        _lastHeardNs = _link.Clock.NowNs;
    }

    public TcpKey Key { get; }

    public bool IsInLine { get; set; }

    public int Queue { get; private set; }

    public TcpState State => _state;

    /// <summary>Somebody outside began it.</summary>
    public bool IsFromHost { get; private set; }

    /// <summary>Bytes that it holds.</summary>
    public int BufferedBytes => _in.Length + _out.Length;

    /// <summary>The guest wants to connect: the answer waits for the host.</summary>
    public void BeginFromGuest(int queue, in TcpHeader syn)
    {
        Queue = queue;
        _state = TcpState.Connecting;
        _initialReceive = syn.Sequence;
        _receiveNext = _receiveEdge = syn.Sequence + 1;
        TakeOptions(syn);
        SetFirstSequence();
    }

    /// <summary>Somebody has connected to a forwarded port.</summary>
    public void BeginFromHost()
    {
        _state = TcpState.SynSent;
        IsFromHost = true;
        _segmentSize = OwnSegmentSize;
        SetFirstSequence();
        (_mayRead, _mayWrite) = (true, true);
        _synDue = true;
        _owner.OpenedCount++;
        Update();
    }

    /// <inheritdoc/>
    public void OnReady(EpollEvents events)
    {
        if (_state is TcpState.Closed or TcpState.Lingering) return;
        if (_state == TcpState.Connecting)
        {
            if ((events & (EpollEvents.Writable | EpollEvents.Error | EpollEvents.HangUp)) != 0) OnConnected();
            if (_state != TcpState.SynReceived) return;
        }

        if ((events & EpollEvents.Error) != 0 && _stream.TakeError() != SocketStatus.Ok)
        {
            Abort(tellGuest: true);
            return;
        }

        _peerClosed |= (events & (EpollEvents.PeerClosed | EpollEvents.HangUp)) != 0;
        _mayRead |= (events & (EpollEvents.Readable | EpollEvents.PeerClosed | EpollEvents.HangUp)) != 0;
        if ((events & EpollEvents.Writable) != 0)
        {
            _mayWrite = true;
            FlushToHost();
        }

        Update();
    }

    /// <summary>Ends at once: the peer gets a reset, and the guest, too, where it is to be told.</summary>
    public void Abort(bool tellGuest)
    {
        if (_state == TcpState.Closed) return;
        if (tellGuest) _owner.PutReset(Key, _state == TcpState.Connecting ? 0 : _sendNext, _receiveNext);
        if (_state != TcpState.Lingering) _stream.Abort();
        End();
    }

    private void OnConnected()
    {
        SocketStatus status = _stream.TakeError();
        if (status != SocketStatus.Ok)
        {
            _owner.Refuse(Key, _receiveNext, status);
            _stream.Dispose();
            End();
            return;
        }

        _state = TcpState.SynReceived;
        (_mayRead, _mayWrite) = (true, true);
        _synDue = true;
        _owner.OpenedCount++;
    }

    /// <summary>Gives the socket what waits for it, then the guest's end.</summary>
    private void FlushToHost()
    {
        while (_mayWrite && _in.Length > 0)
        {
            ReadOnlySpan<byte> data = _in.Peek(0);
            SocketStatus status = _stream.Send(data, out int sent);
            if (status is not (SocketStatus.Ok or SocketStatus.Pending))
            {
                Abort(tellGuest: true);
                return;
            }

            _in.Drop(sent);
            if (sent < data.Length) _mayWrite = false;
        }

        if (_in.Length == 0 && _guestEnded && !_hostTold && _state == TcpState.Open)
        {
            _hostTold = true;
            _ = _stream.ShutdownWrite();
        }
    }

    /// <summary>Reads from the socket what the guest can take.</summary>
    private void FillFromHost(int wanted)
    {
        while (_mayRead && !_hostEnded && Unsent < wanted)
        {
            int room = ReadRoom;
            if (room <= 0) return;
            Span<byte> tail = _out.Tail();
            if (tail.IsEmpty)
            {
                _starvedUntilNs = _link.Clock.NowNs + TcpTuning.StarvedNs;
                return;
            }

            tail = tail[..Math.Min(tail.Length, room)];
            SocketStatus status = _stream.Receive(tail, out int received);
            _out.Commit(received);
            if (status == SocketStatus.Pending) _mayRead = false;
            else if (status != SocketStatus.Ok) Abort(tellGuest: true);
            else if (received == 0) _hostEnded = true;
            // Fewer than asked: the socket is empty, and tells when that changes, unless its end was told already.
            else if (received < tail.Length && !_peerClosed) _mayRead = false;
            if (_state == TcpState.Closed) return;
        }
    }

    private int ReadRoom
    {
        get
        {
            int most = Math.Min(ByteQueue.MostBytes, _out.Length + ChunkPool.ChunkBytes + _owner.Pool.FreeBytes / TcpTuning.PoolShare);
            return Math.Min(most, Math.Max((int)Math.Min(_sendWindow, int.MaxValue), TcpTuning.LeastAheadBytes)) - _out.Length;
        }
    }

    /// <summary>Ends the connection when both sides have said all, and all is acknowledged.</summary>
    private void FinishIfDone()
    {
        if (_state != TcpState.Open || !_hostTold || !_endAcknowledged) return;
        _state = TcpState.Lingering;
        _lingerEndNs = _link.Clock.NowNs + TcpTuning.LingerNs;
        _retransmitNs = _acknowledgeNs = None;
        _stream.Dispose();
        _in.Clear();
        _out.Clear();
        _owner.Schedule(_lingerEndNs);
    }

    private void End()
    {
        _state = TcpState.Closed;
        _stream.Dispose();
        _in.Clear();
        _out.Clear();
        _owner.Remove(this);
    }

    /// <summary>After anything has happened: stand in line if there is something to send, and see to the timers.</summary>
    private void Update()
    {
        if (_state == TcpState.Closed) return;
        FinishIfDone();
        if (HasMore) _link.Line(this);
        SetTimers();
    }
}
