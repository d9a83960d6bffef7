using System.Buffers.Binary;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Network.User.Packets;

namespace Vmm.Network.User.Tcp;

/// <summary>What goes to the guest.</summary>
internal sealed partial class TcpFlow
{
    private const int MostPacketBytes = 65535;

    private uint _sendUnacknowledged;
    private uint _sendNext;
    private uint _sendMost;
    private uint _sendWindow;
    private uint _largestWindow;
    private uint _windowSequence;
    private uint _windowAcknowledgment;
    private int _sendShift;
    private int _segmentSize;
    private bool _synDue;
    private bool _probeDue;
    private bool _resendDue;
    private bool _endAcknowledged;

    // The link is memory: it is not congested, but a guest short of buffers loses frames, and then less at once helps.
    private int _congestionWindow = ByteQueue.MostBytes;
    private int _duplicates;
    private bool _isRecovering;
    private uint _recoverUntil;

    /// <inheritdoc/>
    public bool HasMore
    {
        get
        {
            if (_state is TcpState.Closed or TcpState.Connecting) return false;
            if (_synDue) return true;
            if (_state is TcpState.SynSent or TcpState.SynReceived) return false;
            if (_acknowledgeDue || _probeDue) return true;
            if (_state == TcpState.Lingering) return false;
            if (_resendDue || Sendable > 0 || IsEndDue) return true;
            if (_mayRead && !_hostEnded && Usable > 0 && Unsent <= 0 && ReadRoom > 0 && _starvedUntilNs == None) return true;
            _ = NewEdge(out bool isWorthTelling);
            return isWorthTelling;
        }
    }

    private int IpBytes => IpHeader.PlainBytes(Key.GuestAddress);

    /// <summary>The most data of one segment that the guest's link takes.</summary>
    private int OwnSegmentSize => _link.Options.Mtu - IpBytes - TcpHeader.LeastBytes;

    private int InFlight => Sequence.Distance(_sendNext, _sendUnacknowledged);

    /// <summary>Bytes in the buffer that were never sent, or are to be sent again; -1 when the end was sent, too.</summary>
    private int Unsent => _out.Length - InFlight;

    private int Usable => (int)Math.Min(Math.Min(_sendWindow, int.MaxValue), (uint)_congestionWindow) - InFlight;

    private bool IsEndDue => _hostEnded && !_endAcknowledged && Unsent == 0;

    private int Sendable
    {
        get
        {
            int unsent = Unsent;
            int count = Math.Min(unsent, Usable);
            if (count <= 0) return 0;
            // A window that cuts a segment short is waited out, unless nothing else will come (RFC 9293 §3.8.6.2.1).
            bool isShort = count < unsent && count < _segmentSize && InFlight > 0 && count < _largestWindow / 2;
            return isShort ? 0 : count;
        }
    }

    /// <inheritdoc/>
    public int Produce(ReadOnlySpan<IoVec> into, int room)
    {
        int written = ProduceOne(into, room);
        Update();
        return written;
    }

    private int ProduceOne(ReadOnlySpan<IoVec> into, int room)
    {
        if (_state is TcpState.Closed or TcpState.Connecting) return 0;
        if (_synDue) return ProduceSyn(into, room);
        if (_state is TcpState.SynSent or TcpState.SynReceived) return 0;
        if (_state == TcpState.Open)
        {
            int most = MostPayload(room);
            if (_resendDue) return Resend(into, room, most);
            FillFromHost(most);
            if (_state == TcpState.Closed) return 0;
            int count = Math.Min(Sendable, most);
            if (count > _segmentSize && count < Unsent) count -= count % _segmentSize;
            if (count > 0) return ProduceData(into, room, count);
            if (IsEndDue) return ProduceEnd(into, room);
        }

        if (_probeDue)
        {
            // An old number: it takes nothing of the window, and is always answered.
            _probeDue = false;
            return Write(into, room, _sendUnacknowledged - 1, TcpFlags.ACK, 0, 0);
        }

        _ = NewEdge(out bool isWorthTelling);
        return _acknowledgeDue || isWorthTelling ? Write(into, room, _sendNext, TcpFlags.ACK, 0, 0) : 0;
    }

    private int MostPayload(int room)
    {
        int headers = IpBytes + TcpHeader.LeastBytes;
        NetOffloads offload = Key.GuestAddress.IsV4 ? NetOffloads.Tso4 : NetOffloads.Tso6;
        int most = (_link.Accepted & offload) != 0 ? MostPacketBytes - headers : _segmentSize;
        return Math.Max(1, Math.Min(most, room - GuestLink.FrameHeaderBytes - headers));
    }

    private int ProduceSyn(ReadOnlySpan<IoVec> into, int room)
    {
        _synDue = false;
        bool isAnswer = _state == TcpState.SynReceived;
        bool scales = !isAnswer || _scalesWindows;
        // The window of a SYN is never scaled (RFC 7323 §2.2).
        if (isAnswer) _receiveEdge = _receiveNext + ushort.MaxValue;
        TcpHeader tcp = new(
            Key.RemotePort, Key.GuestPort, _sendUnacknowledged, isAnswer ? _receiveNext : 0, isAnswer ? TcpFlags.SYN | TcpFlags.ACK : TcpFlags.SYN,
            ushort.MaxValue, 0, (ushort)OwnSegmentSize, scales ? TcpTuning.WindowShift : TcpHeader.NoWindowShift);
        _sendNext = _sendMost = _sendUnacknowledged + 1;
        if (_backoff == 0) BeginTiming();
        return WriteFrame(into, room, tcp, 0, 0);
    }

    private int ProduceData(ReadOnlySpan<IoVec> into, int room, int count)
    {
        int offset = InFlight;
        bool isLast = count == Unsent && !_mayRead;
        uint sequence = _sendNext;
        bool isNew = !Sequence.IsBefore(sequence, _sendMost);
        _sendNext += (uint)count;
        if (Sequence.IsAfter(_sendNext, _sendMost)) _sendMost = _sendNext;
        if (isNew && !_isTiming) BeginTiming();
        return Write(into, room, sequence, isLast ? TcpFlags.ACK | TcpFlags.PSH : TcpFlags.ACK, offset, count);
    }

    private int ProduceEnd(ReadOnlySpan<IoVec> into, int room)
    {
        uint sequence = _sendNext++;
        if (Sequence.IsAfter(_sendNext, _sendMost)) _sendMost = _sendNext;
        return Write(into, room, sequence, TcpFlags.ACK | TcpFlags.FIN, 0, 0);
    }

    private int Resend(ReadOnlySpan<IoVec> into, int room, int most)
    {
        _resendDue = false;
        _isTiming = false;
        if (_out.Length == 0)
        {
            _sendNext = _sendUnacknowledged; // only the end was lost
            return IsEndDue ? ProduceEnd(into, room) : 0;
        }

        return Write(into, room, _sendUnacknowledged, TcpFlags.ACK | TcpFlags.PSH, 0, Math.Min(Math.Min(_segmentSize, most), _out.Length));
    }

    private int Write(ReadOnlySpan<IoVec> into, int room, uint sequence, TcpFlags flags, int offset, int count)
    {
        uint edge = NewEdge(out _);
        int shift = _scalesWindows ? TcpTuning.WindowShift : 0;
        // Rounded up, so that the edge never goes back; the buffer has more room than that.
        uint window = Math.Min(ushort.MaxValue, ((uint)Math.Max(0, Sequence.Distance(edge, _receiveNext)) + (1u << shift) - 1) >> shift);
        uint told = _receiveNext + (window << shift);
        if (Sequence.IsAfter(told, _receiveEdge)) _receiveEdge = told;
        _acknowledgeDue = false;
        _acknowledgeNs = None;
        _unacknowledged = 0;
        TcpHeader tcp = new(Key.RemotePort, Key.GuestPort, sequence, _receiveNext, flags, (ushort)window, 0);
        return WriteFrame(into, room, tcp, offset, count);
    }

    private int WriteFrame(ReadOnlySpan<IoVec> into, int room, in TcpHeader tcp, int offset, int count)
    {
        if (!_link.Neighbours.TryFind(Key.GuestAddress, out MacAddress mac))
        {
            _link.AskFor(Key.GuestAddress);
            return 0; // as if lost: the timer repeats it
        }

        int headerBytes = tcp.WrittenBytes;
        int tcpAt = GuestLink.FrameHeaderBytes + IpBytes;
        if (tcpAt + headerBytes + count > room) return 0;
        Span<byte> head = stackalloc byte[GuestLink.FrameHeaderBytes + IpHeader.MostPlainBytes + TcpHeader.MostBytes];
        head = head[..(tcpAt + headerBytes)];
        bool isPartial = (_link.Accepted & NetOffloads.Checksum) != 0;
        NetHeader header = !isPartial ? default : new(
            NetHeaderFlags.VIRTIO_NET_HDR_F_NEEDS_CSUM,
            count <= _segmentSize ? NetSegmentation.VIRTIO_NET_HDR_GSO_NONE
                : Key.GuestAddress.IsV4 ? NetSegmentation.VIRTIO_NET_HDR_GSO_TCPV4 : NetSegmentation.VIRTIO_NET_HDR_GSO_TCPV6,
            (ushort)(head.Length - INetBackend.HeaderBytes),
            count > _segmentSize ? (ushort)_segmentSize : (ushort)0,
            (ushort)(tcpAt - INetBackend.HeaderBytes),
            TcpHeader.ChecksumAt);
        IpHeader ip = _link.NewHeader(Key.RemoteAddress, Key.GuestAddress, IpHeader.IPPROTO_TCP, headerBytes + count);
        _link.WriteHeaders(head, header, mac, ip);
        tcp.Write(head[tcpAt..]);
        InternetChecksum sum = default;
        sum.AddPseudoHeader(ip.Source, ip.Destination, IpHeader.IPPROTO_TCP, headerBytes + count);
        if (!isPartial) AddPayload(ref sum, head[tcpAt..], offset, count);
        BinaryPrimitives.WriteUInt16BigEndian(head[(tcpAt + TcpHeader.ChecksumAt)..], isPartial ? sum.Folded : sum.Value);
        IoCursor cursor = new(into);
        cursor.Fill(head);
        for (int end = offset + count; offset < end;)
        {
            ReadOnlySpan<byte> piece = _out.Peek(offset);
            piece = piece[..Math.Min(piece.Length, end - offset)];
            cursor.Fill(piece);
            offset += piece.Length;
        }

        _owner.SentBytes += (ulong)count;
        return head.Length + count;
    }

    private void AddPayload(ref InternetChecksum sum, ReadOnlySpan<byte> header, int offset, int count)
    {
        sum.Add(header);
        for (int end = offset + count; offset < end;)
        {
            ReadOnlySpan<byte> piece = _out.Peek(offset);
            piece = piece[..Math.Min(piece.Length, end - offset)];
            sum.Add(piece);
            offset += piece.Length;
        }
    }
}
