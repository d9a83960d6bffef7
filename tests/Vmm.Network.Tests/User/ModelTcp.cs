using Vmm.Network.User.Packets;

namespace Vmm.Network.Tests.User;

/// <summary>
/// A guest's TCP, simple and independent of ours: sends again all that is unacknowledged when time goes by, takes segments in any order,
/// and offers windows as the test likes.
/// </summary>
internal sealed class ModelTcp(byte[] toSend, ushort segmentSize, uint first, int windowShift)
{
    private readonly SortedDictionary<uint, byte[]> _early = [];
    private readonly List<byte> _received = [];
    private uint _peerFirst;
    private int _sent;
    private int _acknowledged;
    private long _sendWindow;
    private int _sendShift;
    private bool _endSent, _endAcknowledged;
    private int _endAt = -1;
    private bool _ackDue;

    public bool IsConnected { get; private set; }

    public bool WasReset { get; private set; }

    public List<byte> Received => _received;

    public bool PeerEnded { get; private set; }

    public bool IsDone => _endAcknowledged && PeerEnded;

    /// <summary>How many bytes the next window offers.</summary>
    public int Window { get; set; } = 65535;

    /// <summary>Whether the end may be sent once all data are.</summary>
    public bool MayEnd { get; set; } = true;

    private uint PeerNext => _peerFirst + 1 + (uint)_received.Count + (PeerEnded ? 1u : 0u);

    /// <summary>Time went by: what was not acknowledged is sent again.</summary>
    public void Timeout() => (_sent, _endSent, _ackDue) = (_acknowledged, false, true);

    /// <summary>What there is to send now.</summary>
    public IEnumerable<(TcpHeader Tcp, byte[] Data)> Send()
    {
        if (WasReset) yield break;
        if (!IsConnected)
        {
            if (_ackDue || _sent == 0) yield return (Header(first, TcpFlags.SYN), []);
            _ackDue = false;
            yield break;
        }

        while (_sent < toSend.Length && _sent - _acknowledged < _sendWindow)
        {
            int count = (int)Math.Min(Math.Min(segmentSize, toSend.Length - _sent), _sendWindow - (_sent - _acknowledged));
            yield return (Header(first + 1 + (uint)_sent, TcpFlags.ACK), toSend[_sent..(_sent + count)]);
            _sent += count;
        }

        // A closed window is tried with one byte.
        if (_ackDue && _sendWindow == 0 && _sent < toSend.Length) yield return (Header(first + 1 + (uint)_sent, TcpFlags.ACK), [toSend[_sent]]);
        if (MayEnd && _sent == toSend.Length && !_endSent && !_endAcknowledged)
        {
            _endSent = true;
            yield return (Header(first + 1 + (uint)_sent, TcpFlags.ACK | TcpFlags.FIN), []);
        }

        uint next = first + 1 + (uint)_sent + (_endSent || _endAcknowledged ? 1u : 0u);
        if (_ackDue) yield return (Header(next, TcpFlags.ACK), []);
        _ackDue = false;
    }

    public void Take(GotFrame frame)
    {
        TcpHeader tcp = frame.Tcp;
        if (tcp.Has(TcpFlags.RST))
        {
            WasReset = true;
            return;
        }

        if (tcp.Has(TcpFlags.SYN))
        {
            if (!IsConnected)
            {
                Assert.Equal(first + 1, tcp.Acknowledgment);
                (IsConnected, _peerFirst) = (true, tcp.Sequence);
                _sendShift = tcp.WindowShift == TcpHeader.NoWindowShift || windowShift == TcpHeader.NoWindowShift ? 0 : tcp.WindowShift;
                _sendWindow = tcp.Window;
            }

            _ackDue = true;
            return;
        }

        if (!IsConnected) return;
        TakeAcknowledgment(tcp);
        if (frame.Payload.Length > 0 || tcp.Has(TcpFlags.FIN)) TakeData(tcp, frame.Payload);
        if (tcp.Sequence == PeerNext - 1) _ackDue = true; // a probe
    }

    private void TakeAcknowledgment(in TcpHeader tcp)
    {
        int acknowledged = (int)(tcp.Acknowledgment - first - 1);
        Assert.InRange(acknowledged, 0, toSend.Length + 1); // never what was not sent
        if (acknowledged > toSend.Length)
        {
            Assert.True(MayEnd, "an end was acknowledged that was not sent");
            _endAcknowledged = true;
            acknowledged = toSend.Length;
        }

        if (acknowledged < _acknowledged) return; // late
        _acknowledged = acknowledged;
        _sent = Math.Max(_sent, _acknowledged);
        _sendWindow = (long)tcp.Window << _sendShift;
    }

    private void TakeData(in TcpHeader tcp, byte[] data)
    {
        _ackDue = true;
        if (tcp.Has(TcpFlags.FIN)) _endAt = (int)(tcp.Sequence + (uint)data.Length - _peerFirst - 1);
        if (data.Length > 0) _early[tcp.Sequence - _peerFirst - 1] = data;
        foreach ((uint at, byte[] piece) in _early.ToArray())
        {
            if (at > (uint)_received.Count) break;
            int skip = (int)((uint)_received.Count - at);
            if (skip < piece.Length) _received.AddRange(piece[skip..]);
            _early.Remove(at);
        }

        PeerEnded = _endAt == _received.Count;
    }

    private TcpHeader Header(uint sequence, TcpFlags flags)
    {
        bool isSyn = flags.HasFlag(TcpFlags.SYN);
        int shift = isSyn || windowShift == TcpHeader.NoWindowShift ? 0 : windowShift;
        return new(40000, 80, sequence, isSyn ? 0 : PeerNext, flags, (ushort)Math.Min(ushort.MaxValue, Window >> shift), 0,
            isSyn ? segmentSize : (ushort)0, isSyn ? windowShift : TcpHeader.NoWindowShift);
    }
}
