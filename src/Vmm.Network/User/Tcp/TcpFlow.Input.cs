using Vmm.Core.Memory;
using Vmm.Host.Sockets;
using Vmm.Network.User.Packets;

namespace Vmm.Network.User.Tcp;

/// <summary>What the guest sends (RFC 9293 §3.10.7).</summary>
internal sealed partial class TcpFlow
{
    private const int VectorsAtOnce = 64;

    private uint _initialReceive;
    private uint _receiveNext;

    // The right edge of the window as the guest knows it; it never goes back.
    private uint _receiveEdge;
    private bool _scalesWindows;
    private int _unacknowledged;
    private bool _acknowledgeDue;
    private long _lastHeardNs;

    /// <summary>Takes a segment.</summary>
    /// <param name="queue">Where it came from.</param>
    /// <param name="tcp">Its header.</param>
    /// <param name="frame">The frame that it is in.</param>
    /// <param name="payloadAt">Where its data begin in the frame.</param>
    /// <param name="payloadBytes">How long they are.</param>
    public void OnSegment(int queue, in TcpHeader tcp, ReadOnlySpan<IoVec> frame, int payloadAt, int payloadBytes)
    {
        Queue = queue;
        switch (_state)
        {
            case TcpState.Closed:
                return;
            case TcpState.Connecting:
                if (tcp.Has(TcpFlags.RST)) Abort(tellGuest: false);
                return;
            case TcpState.SynSent:
                OnAnswerToSyn(tcp);
                break;
            case TcpState.SynReceived when tcp.Has(TcpFlags.SYN) && !tcp.Has(TcpFlags.ACK) && tcp.Sequence == _initialReceive:
                _synDue = true;
                break;
            default:
                OnSynchronized(tcp, frame, payloadAt, payloadBytes);
                break;
        }

        Update();
    }

    private void TakeOptions(in TcpHeader syn)
    {
        _segmentSize = Math.Min(OwnSegmentSize, Math.Max(syn.SegmentSize == 0 ? TcpTuning.DefaultSegmentSize : syn.SegmentSize, (ushort)TcpHeader.LeastBytes));
        _scalesWindows = syn.WindowShift != TcpHeader.NoWindowShift;
        _sendShift = _scalesWindows ? syn.WindowShift : 0;
        _sendWindow = syn.Window;
        _windowSequence = syn.Sequence;
    }

    private void OnAnswerToSyn(in TcpHeader tcp)
    {
        bool isOurs = tcp.Has(TcpFlags.ACK) && tcp.Acknowledgment == _sendUnacknowledged + 1;
        if (tcp.Has(TcpFlags.RST))
        {
            if (isOurs) Abort(tellGuest: false);
            return;
        }

        if (tcp.Has(TcpFlags.ACK) && !isOurs)
        {
            _owner.PutReset(Key, tcp.Acknowledgment, null);
            return;
        }

        // A SYN alone: both ends began at once, which no guest does to an address that nobody listens at.
        if (!isOurs || !tcp.Has(TcpFlags.SYN)) return;
        _receiveNext = _receiveEdge = tcp.Sequence + 1;
        TakeOptions(tcp);
        _windowAcknowledgment = tcp.Acknowledgment;
        Establish(tcp.Acknowledgment);
        _acknowledgeDue = true;
    }

    private void Establish(uint acknowledgment)
    {
        _state = TcpState.Open;
        _synDue = false;
        _sendUnacknowledged = _sendNext = _sendMost = acknowledgment;
        _attempts = _backoff = 0;
        _retransmitNs = None;
        if (_isTiming) TakeSample();
    }

    private void OnSynchronized(in TcpHeader tcp, ReadOnlySpan<IoVec> frame, int payloadAt, int payloadBytes)
    {
        uint end = tcp.Sequence + (uint)payloadBytes + (tcp.Has(TcpFlags.FIN) ? 1u : 0u);
        if (Sequence.IsAfter(tcp.Sequence, _receiveEdge) || Sequence.IsBefore(end, _receiveNext))
        {
            // Also how a guest asks whether we are still there.
            if (!tcp.Has(TcpFlags.RST)) _acknowledgeDue = true;
            if (tcp.Has(TcpFlags.ACK)) Heard();
            return;
        }

        Heard();
        if (tcp.Has(TcpFlags.RST))
        {
            // Only the very next number resets; another one within the window is asked about (RFC 5961 §3.2).
            if (tcp.Sequence == _receiveNext) Abort(tellGuest: false);
            else _acknowledgeDue = true;
            return;
        }

        if (tcp.Has(TcpFlags.SYN))
        {
            _acknowledgeDue = true;
            return;
        }

        if (!tcp.Has(TcpFlags.ACK) || !TakeAcknowledgment(tcp, payloadBytes)) return;
        if (_state == TcpState.Lingering) _acknowledgeDue |= end != tcp.Sequence;
        if (_state != TcpState.Open) return;
        TakeData(tcp, frame, payloadAt, payloadBytes);
    }

    private void Heard()
    {
        _lastHeardNs = _link.Clock.NowNs;
        _attempts = 0;
    }

    private void TakeData(in TcpHeader tcp, ReadOnlySpan<IoVec> frame, int payloadAt, int payloadBytes)
    {
        bool hasEnd = tcp.Has(TcpFlags.FIN);
        if (payloadBytes == 0 && !hasEnd) return;
        int skip = Sequence.Distance(_receiveNext, tcp.Sequence);
        if (skip < 0 || _guestEnded)
        {
            // A gap, or more after the end: saying what we wait for makes the guest send it again.
            _acknowledgeDue = true;
            return;
        }

        int fresh = Math.Min(payloadBytes - skip, Math.Max(0, Sequence.Distance(_receiveEdge, _receiveNext)));
        if (fresh > 0)
        {
            int taken = Deliver(frame, payloadAt + skip, fresh);
            if (_state == TcpState.Closed) return;
            _receiveNext += (uint)taken;
            _unacknowledged += taken;
            fresh = taken;
        }

        bool isWhole = Math.Max(0, fresh) == Math.Max(0, payloadBytes - skip);
        bool isOld = fresh <= 0 && !hasEnd;
        if (!isWhole || isOld || _unacknowledged >= TcpTuning.SegmentsPerAck * _segmentSize) _acknowledgeDue = true;
        else if (_acknowledgeNs == None && _unacknowledged > 0) _acknowledgeNs = _link.Clock.NowNs + TcpTuning.DelayedAckNs;
        if (!hasEnd || !isWhole) return;
        _receiveNext++;
        _guestEnded = true;
        _acknowledgeDue = true;
        FlushToHost();
    }

    /// <summary>Gives data to the socket, straight from the guest's memory while nothing waits before them; the rest is kept.</summary>
    /// <returns>Bytes that were taken.</returns>
    private int Deliver(ReadOnlySpan<IoVec> frame, int at, int count)
    {
        int done = 0;
        if (_in.Length == 0 && _mayWrite) done = DeliverDirectly(frame, at, count);
        if (done == count || _state == TcpState.Closed) return done;
        IoCursor cursor = new(frame);
        cursor.Skip((ulong)(at + done));
        while (done < count)
        {
            Span<byte> tail = _in.Tail();
            if (tail.IsEmpty) break;
            tail = tail[..Math.Min(tail.Length, count - done)];
            cursor.Drain(tail);
            _in.Commit(tail.Length);
            done += tail.Length;
        }

        return done;
    }

    private int DeliverDirectly(ReadOnlySpan<IoVec> frame, int at, int count)
    {
        Span<IoVec> vectors = stackalloc IoVec[VectorsAtOnce];
        IoCursor cursor = new(frame);
        cursor.Skip((ulong)at);
        int done = 0;
        while (done < count && _mayWrite)
        {
            int used = cursor.Take((ulong)(count - done), vectors, out ulong bytes);
            SocketStatus status = _stream.Send(vectors[..used], out int sent);
            if (status is not (SocketStatus.Ok or SocketStatus.Pending))
            {
                Abort(tellGuest: true);
                return done;
            }

            done += sent;
            if (sent < (int)bytes) _mayWrite = false;
        }

        return done;
    }

    /// <summary>Where the window may end now, and whether the guest should hear of it.</summary>
    private uint NewEdge(out bool isWorthTelling)
    {
        int most = Math.Min(TcpTuning.ReceiveBytes, _in.Length + ChunkPool.ChunkBytes + _owner.Pool.FreeBytes / TcpTuning.PoolShare);
        if (!_scalesWindows) most = Math.Min(most, ushort.MaxValue);
        int room = Math.Max(0, most - _in.Length);
        uint edge = _receiveNext + (uint)room;
        int gain = Sequence.Distance(edge, _receiveEdge);
        // No small steps, or the guest sends small segments for ever (RFC 9293 §3.8.6.2.2).
        if (gain < Math.Min(most / 2, _segmentSize)) (edge, gain) = (_receiveEdge, 0);
        isWorthTelling = gain >= most / 2 || (gain > 0 && Sequence.Distance(_receiveEdge, _receiveNext) < _segmentSize);
        return edge;
    }
}
