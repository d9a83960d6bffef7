using Vmm.Network.User.Packets;

namespace Vmm.Network.User.Tcp;

/// <summary>Acknowledgments, round-trip times and timers (RFC 6298, 5681).</summary>
internal sealed partial class TcpFlow
{
    private const long None = long.MaxValue;

    private long _retransmitNs = None;
    private long _acknowledgeNs = None;
    private long _lingerEndNs = None;
    private long _starvedUntilNs = None;
    private long _timeoutNs = TcpTuning.FirstTimeoutNs;
    private long _smoothedNs;
    private long _variationNs;
    private bool _isTiming;
    private uint _timedUntil;
    private long _timedSinceNs;
    private int _backoff;
    private int _attempts;

    /// <summary>When <see cref="Expire"/> has something to do.</summary>
    public long DeadlineNs
    {
        get
        {
            if (_state == TcpState.Lingering) return _lingerEndNs;
            if (_state == TcpState.Connecting) return None;
            return Math.Min(Math.Min(_retransmitNs, _acknowledgeNs), Math.Min(_starvedUntilNs, KeepAliveDueNs));
        }
    }

    private long KeepAliveDueNs => _lastHeardNs + TcpTuning.KeepAliveNs + _attempts * TcpTuning.KeepAliveProbeNs;

    /// <summary>Does what has become due.</summary>
    public void Expire(long nowNs)
    {
        if (DeadlineNs > nowNs) return;
        if (_state == TcpState.Lingering)
        {
            End();
            return;
        }

        if (_acknowledgeNs <= nowNs)
        {
            _acknowledgeNs = None;
            _acknowledgeDue = true;
        }

        if (_starvedUntilNs <= nowNs) _starvedUntilNs = None;
        if (_retransmitNs <= nowNs) Retransmit();
        else if (KeepAliveDueNs <= nowNs && Attempt()) _probeDue = true;
        Update();
    }

    private void SetFirstSequence() => _sendUnacknowledged = _sendNext = _sendMost = (uint)_link.Random.NextInt64(uint.MaxValue);

    /// <returns>False when the guest did not answer for too long, and the connection is gone.</returns>
    private bool Attempt()
    {
        _attempts++;
        bool goesOn = _state == TcpState.Open
            ? _attempts < TcpTuning.LeastAttempts || _link.Clock.NowNs - _lastHeardNs < TcpTuning.GiveUpNs
            : _attempts <= TcpTuning.MostSynAttempts;
        if (goesOn) return true;
        Abort(tellGuest: true);
        return false;
    }

    private void Retransmit()
    {
        _retransmitNs = None;
        _isTiming = false;
        if (!Attempt()) return;
        _backoff = Math.Min(_backoff + 1, 10);
        if (_state is TcpState.SynSent or TcpState.SynReceived)
        {
            _synDue = true;
        }
        else if (_sendMost == _sendUnacknowledged || _sendWindow == 0)
        {
            _probeDue = true; // the window is closed: ask whether it has opened (RFC 9293 §3.8.6.1)
        }
        else
        {
            // All from the last acknowledged byte on, less at once.
            _owner.RetransmittedCount++;
            _congestionWindow = 2 * _segmentSize;
            _sendNext = _sendUnacknowledged;
            (_isRecovering, _resendDue, _duplicates) = (false, false, 0);
        }
    }

    private void SetTimers()
    {
        if (_state is TcpState.Open or TcpState.SynSent or TcpState.SynReceived)
        {
            bool waits = _state != TcpState.Open || _sendMost != _sendUnacknowledged || Unsent > 0;
            long most = _state == TcpState.Open && _sendWindow != 0 ? TcpTuning.MostTimeoutNs : TcpTuning.MostProbeNs;
            if (!waits) _retransmitNs = None;
            else if (_retransmitNs == None) _retransmitNs = _link.Clock.NowNs + Math.Min(_timeoutNs << _backoff, most);
        }

        if (_state != TcpState.Closed && DeadlineNs != None) _owner.Schedule(DeadlineNs);
    }

    /// <returns>False when the acknowledgment is for what was never sent, or the connection has ended.</returns>
    private bool TakeAcknowledgment(in TcpHeader tcp, int payloadBytes)
    {
        uint acknowledgment = tcp.Acknowledgment;
        if (_state == TcpState.SynReceived)
        {
            if (acknowledgment != _sendUnacknowledged + 1)
            {
                _owner.PutReset(Key, acknowledgment, null);
                return false;
            }

            Establish(acknowledgment);
            SetWindow(tcp);
            return true;
        }

        if (Sequence.IsAfter(acknowledgment, _sendMost))
        {
            _acknowledgeDue = true;
            return false;
        }

        if (Sequence.IsAfter(acknowledgment, _sendUnacknowledged)) Advance(acknowledgment);
        else if (acknowledgment == _sendUnacknowledged) CountDuplicate(tcp, payloadBytes);
        bool isFresh = Sequence.IsBefore(_windowSequence, tcp.Sequence)
            || (_windowSequence == tcp.Sequence && !Sequence.IsAfter(_windowAcknowledgment, acknowledgment));
        if (isFresh && !Sequence.IsBefore(acknowledgment, _sendUnacknowledged)) SetWindow(tcp);
        return true;
    }

    private void SetWindow(in TcpHeader tcp)
    {
        uint window = (uint)tcp.Window << _sendShift;
        if (_sendWindow == 0 && window != 0) (_backoff, _retransmitNs) = (0, None);
        _sendWindow = window;
        _largestWindow = Math.Max(_largestWindow, window);
        (_windowSequence, _windowAcknowledgment) = (tcp.Sequence, tcp.Acknowledgment);
    }

    private void Advance(uint acknowledgment)
    {
        int count = Sequence.Distance(acknowledgment, _sendUnacknowledged);
        int data = Math.Min(count, _out.Length);
        if (data > 0) _out.Drop(data);
        if (count > data) _endAcknowledged = true;
        _sendUnacknowledged = acknowledgment;
        if (Sequence.IsBefore(_sendNext, acknowledgment)) _sendNext = acknowledgment;
        if (_isTiming && !Sequence.IsBefore(acknowledgment, _timedUntil)) TakeSample();
        _congestionWindow = Math.Min(_congestionWindow + count, ByteQueue.MostBytes);
        (_backoff, _duplicates, _retransmitNs) = (0, 0, None);
        if (!_isRecovering) return;
        // The next hole, until all that was on its way at the loss is there (RFC 6582 §3.2).
        _isRecovering = Sequence.IsBefore(acknowledgment, _recoverUntil);
        _resendDue = _isRecovering;
    }

    private void CountDuplicate(in TcpHeader tcp, int payloadBytes)
    {
        bool isDuplicate = payloadBytes == 0 && !tcp.Has(TcpFlags.FIN) && _sendMost != _sendUnacknowledged
            && (uint)tcp.Window << _sendShift == _sendWindow && _sendWindow != 0;
        if (!isDuplicate || _isRecovering || ++_duplicates != TcpTuning.DuplicateAcks) return;
        _owner.RetransmittedCount++;
        (_isRecovering, _recoverUntil, _resendDue) = (true, _sendMost, true);
    }

    private void BeginTiming()
    {
        (_isTiming, _timedUntil, _timedSinceNs) = (true, _sendNext, _link.Clock.NowNs);
    }

    private void TakeSample()
    {
        _isTiming = false;
        long sample = _link.Clock.NowNs - _timedSinceNs;
        if (_smoothedNs == 0)
        {
            (_smoothedNs, _variationNs) = (sample, sample / 2);
        }
        else
        {
            _variationNs = (3 * _variationNs + Math.Abs(_smoothedNs - sample)) / 4;
            _smoothedNs = (7 * _smoothedNs + sample) / 8;
        }

        _timeoutNs = Math.Clamp(_smoothedNs + 4 * _variationNs, TcpTuning.LeastTimeoutNs, TcpTuning.MostTimeoutNs);
    }
}
