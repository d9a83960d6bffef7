using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Devices.Virtio.Queue;

namespace Vmm.Devices.Virtio.Vsock;

/// <summary>
/// One connection between the guest and a socket of the host, with credit in both directions (virtio 1.2 §5.10.6.3). What the guest may
/// send is bounded by <see cref="VsockBuffer"/>; what the host sends waits in the socket until the guest has room. The worker's alone.
/// </summary>
internal sealed class VsockConnection(VsockPorts ports, IVsockStream stream, VsockTally tally)
{
    private const int MostVectors = 16;

    // Told at the latest when this much room has come back.
    private const uint CreditStep = VsockBuffer.SizeBytes / 4;

    private readonly VsockBuffer _buffer = new();
    private readonly VsockMessage _message = new();
    private readonly bool _isSeqpacket = stream.Kind == VsockKind.Seqpacket;
    private bool _isOpen, _isSendClosed, _maySend = true, _mayReceive = true, _hasAskedForCredit;
    private VsockShutdown _guestShutdown, _hostShutdown;
    private Owed _owed;

    // Both count bytes since the beginning and wrap, as the protocol has it.
    private uint _received, _forwarded, _announced;
    private uint _sent, _guestForwarded, _guestBufferBytes;

    [Flags]
    private enum Owed : byte
    {
        None = 0,
        Request = 1 << 0,
        Response = 1 << 1,
        Reset = 1 << 2,
        Shutdown = 1 << 3,
        Credit = 1 << 4,
        CreditRequest = 1 << 5,
    }

    public VsockPorts Ports => ports;

    /// <summary>As packets name it.</summary>
    public ushort Type => VsockHeader.TypeOf(stream.Kind);

    /// <summary>The connection is no more; what it held is released.</summary>
    public bool IsOver { get; private set; }

    /// <summary>The guest has forgotten it; only what it sent before has to be passed on.</summary>
    public bool IsDraining { get; private set; }

    /// <summary>Stands in the line of those that have something for the guest.</summary>
    public bool IsQueued { get; set; }

    /// <summary>Stands in the list of those whose stream is ready.</summary>
    public bool IsNotified { get; set; }

    /// <summary>There is something for the guest.</summary>
    public bool HasPacket => !IsOver && !IsDraining && (_owed != Owed.None || CanReceive);

    private bool CanReceive => _isOpen && _mayReceive && (_guestShutdown & VsockShutdown.RECEIVE) == 0 && (_hostShutdown & VsockShutdown.SEND) == 0 && Credit != 0;

    /// <summary>Bytes that can be passed on together.</summary>
    private int Sendable => _isSeqpacket ? _buffer.MessageBytes : _buffer.Count;

    private bool IsHostDeaf => (_hostShutdown & VsockShutdown.RECEIVE) != 0;

    private uint Credit
    {
        get
        {
            uint used = _sent - _guestForwarded;
            return used >= _guestBufferBytes ? 0 : _guestBufferBytes - used;
        }
    }

    /// <summary>The guest asked for it, and is to be told that it has it.</summary>
    public void Answer(in VsockHeader request)
    {
        TakeCredit(request);
        _owed = Owed.Response;
    }

    /// <summary>The host's peer asks for it, and the guest is to be asked.</summary>
    public void Ask() => _owed = Owed.Request;

    /// <summary>The stream may take or give something again, or its peer has gone.</summary>
    public void StreamReady()
    {
        _maySend = _mayReceive = true;
        Flush();
        if (IsOver || !stream.IsPeerGone) return;
        if (!_isOpen && (_owed & Owed.Response) == 0) Break();
        else if (_hostShutdown == VsockShutdown.SEND) TellShutdown(VsockShutdown.Both);
    }

    /// <summary>A packet of the guest.</summary>
    public void Handle(in VsockHeader header, VirtChain chain)
    {
        TakeCredit(header);
        switch (header.Operation)
        {
            case VsockOperation.RESPONSE when !_isOpen && _owed == Owed.None:
                _isOpen = true;
                tally.Opened++;
                stream.Accepted(ports.Host);
                break;
            case VsockOperation.RW when _isOpen && (_guestShutdown & VsockShutdown.SEND) == 0 && header.Length <= VsockBuffer.SizeBytes - (_received - _forwarded):
                TakeData(header, chain);
                break;
            case VsockOperation.SHUTDOWN:
                _guestShutdown |= (VsockShutdown)header.Flags & VsockShutdown.Both;
                Flush();
                break;
            case VsockOperation.CREDIT_UPDATE:
                break;
            case VsockOperation.CREDIT_REQUEST:
                _owed |= Owed.Credit;
                break;
            case VsockOperation.RST:
                Forget();
                break;
            default:
                Break();
                break;
        }
    }

    /// <summary>Writes the next packet for the guest.</summary>
    /// <returns>Bytes written; 0 when there turned out to be none.</returns>
    public uint Fill(VirtChain chain, ulong guestCid)
    {
        (VsockOperation operation, uint length) = NextPacket(chain);
        if (operation == VsockOperation.INVALID) return 0;
        _announced = _forwarded;
        _owed &= ~Owed.Credit;
        VsockHeader header = new()
        {
            SourceCid = VirtioVsockRegisters.VMADDR_CID_HOST,
            DestinationCid = guestCid,
            SourcePort = ports.Host,
            DestinationPort = ports.Guest,
            Length = length,
            Type = Type,
            Operation = operation,
            Flags = FlagsOf(operation),
            BufferBytes = VsockBuffer.SizeBytes,
            Forwarded = _forwarded,
        };
        Span<byte> bytes = stackalloc byte[VsockHeader.SizeBytes];
        header.Write(bytes);
        chain.TryWrite(0, bytes);
        if (operation == VsockOperation.RST) End();
        return VsockHeader.SizeBytes + length;
    }

    /// <summary>Releases everything; nothing is said to the guest.</summary>
    public void End()
    {
        if (IsOver) return;
        IsOver = true;
        _buffer.Remove(_buffer.Count);
        _message.Drop();
        stream.Dispose();
    }

    private uint FlagsOf(VsockOperation operation) => operation switch
    {
        VsockOperation.SHUTDOWN => (uint)_hostShutdown,
        VsockOperation.RW when _isSeqpacket && _message.Left == 0 => VsockHeader.VIRTIO_VSOCK_SEQ_EOM,
        _ => 0,
    };

    private (VsockOperation Operation, uint Length) NextPacket(VirtChain chain)
    {
        if (Pay(Owed.Reset)) return (VsockOperation.RST, 0);
        if (Pay(Owed.Request)) return (VsockOperation.REQUEST, 0);
        if (Pay(Owed.Response))
        {
            _isOpen = true;
            tally.Opened++;
            return (VsockOperation.RESPONSE, 0);
        }

        if (CanReceive && Receive(chain) is > 0 and uint length) return (VsockOperation.RW, length);
        if (Pay(Owed.Reset)) return (VsockOperation.RST, 0);
        if (Pay(Owed.Shutdown)) return (VsockOperation.SHUTDOWN, 0);
        if (Pay(Owed.CreditRequest)) return (VsockOperation.CREDIT_REQUEST, 0);
        return (Pay(Owed.Credit) ? VsockOperation.CREDIT_UPDATE : VsockOperation.INVALID, 0);
    }

    private bool Pay(Owed what)
    {
        bool isOwed = (_owed & what) != 0;
        _owed &= ~what;
        return isOwed;
    }

    private void TakeCredit(in VsockHeader header)
    {
        (_guestBufferBytes, _guestForwarded) = (header.BufferBytes, header.Forwarded);
        if (Credit != 0) _hasAskedForCredit = false;
    }

    private uint Receive(VirtChain chain)
    {
        ulong room = Math.Min(Math.Min(chain.WritableBytes - VsockHeader.SizeBytes, Credit), VsockBuffer.SizeBytes);
        int received;
        switch (_isSeqpacket ? ReceiveMessage(chain, room, out received) : ReceiveBytes(chain, room, out received))
        {
            case VsockStreamStatus.Ok:
                _sent += (uint)received;
                tally.BytesToGuest += (uint)received;
                AskForCredit();
                return (uint)received;
            case VsockStreamStatus.Pending:
                _mayReceive = false;
                return 0;
            case VsockStreamStatus.Ended:
                TellShutdown(stream.IsPeerGone ? VsockShutdown.Both : VsockShutdown.SEND);
                return 0;
            default:
                Break();
                return 0;
        }
    }

    // From the socket straight into the guest's buffer.
    private VsockStreamStatus ReceiveBytes(VirtChain chain, ulong room, out int received)
    {
        received = 0;
        Span<IoVec> vectors = stackalloc IoVec[MostVectors];
        if (!chain.TryPinWritable(VsockHeader.SizeBytes, room, vectors, out int count)) return VsockStreamStatus.Broken;
        VsockStreamStatus status = stream.Receive(vectors[..count], out received);
        chain.MarkWritten(VsockHeader.SizeBytes, (ulong)received);
        return status;
    }

    // The socket gives a message whole, and the guest may have room for a part of it.
    private VsockStreamStatus ReceiveMessage(VirtChain chain, ulong room, out int received)
    {
        received = 0;
        if (_message.Left == 0)
        {
            if (_message.Take(stream) is not VsockStreamStatus.Ok and var status) return status;
            // The guest's programs get whole messages only, so it would never have room for all of this one.
            if ((uint)_message.Left > _guestBufferBytes) return VsockStreamStatus.Broken;
        }

        received = (int)Math.Min(room, (ulong)_message.Left);
        return _message.TryPass(chain, received) ? VsockStreamStatus.Ok : VsockStreamStatus.Broken;
    }

    private void AskForCredit()
    {
        if (Credit != 0 || _hasAskedForCredit) return;
        _hasAskedForCredit = true;
        _owed |= Owed.CreditRequest;
    }

    private void TakeData(in VsockHeader header, VirtChain chain)
    {
        int length = (int)header.Length;
        bool isEnd = (header.Flags & VsockHeader.VIRTIO_VSOCK_SEQ_EOM) != 0;
        _received += (uint)length;
        tally.BytesFromGuest += (uint)length;
        bool isWhole = !_isSeqpacket || isEnd;
        int sent = isWhole && _buffer.Count == 0 && _maySend && !IsHostDeaf ? SendDirectly(chain, length) : 0;
        if (IsHostDeaf) sent = length;
        _forwarded += (uint)sent;
        if (sent != length) _buffer.Add(chain, VsockHeader.SizeBytes + (ulong)sent, length - sent);
        if (_isSeqpacket && isEnd) _buffer.EndMessage();
        Flush();
        // A message that is longer than what the guest may send would never end.
        if (_isSeqpacket && _buffer.Count == VsockBuffer.SizeBytes && _buffer.MessageBytes == 0) Break();
    }

    private int SendDirectly(VirtChain chain, int length)
    {
        Span<IoVec> vectors = stackalloc IoVec[MostVectors];
        if (length == 0 || !chain.TryPinReadable(VsockHeader.SizeBytes, (ulong)length, vectors, out int count)) return 0;
        return Judge(stream.Send(vectors[..count], out int sent)) ? sent : 0;
    }

    // Passes on what is kept, then what the guest's end of sending brings.
    private void Flush()
    {
        while (_maySend && Sendable is > 0 and int count)
        {
            _buffer.Oldest(count, out ReadOnlySpan<byte> first, out ReadOnlySpan<byte> second);
            if (!Judge(stream.Send(first, second, out int sent))) continue;
            _forwarded += (uint)sent;
            _buffer.Remove(sent);
        }

        // What is kept may be a part of a message, for whose rest the guest needs all the room there is.
        bool isShort = _received - _announced > VsockBuffer.SizeBytes - CreditStep && _forwarded != _announced;
        if ((isShort && _buffer.Count != 0 && Sendable == 0) || _forwarded - _announced >= CreditStep) _owed |= Owed.Credit;
        if ((_guestShutdown & VsockShutdown.SEND) != 0 && _isSeqpacket) _buffer.RemoveUnfinished();
        if (_buffer.Count != 0) return;
        if (IsDraining)
        {
            End();
            return;
        }

        if ((_guestShutdown & VsockShutdown.SEND) != 0 && !_isSendClosed)
        {
            _isSendClosed = true;
            stream.CloseSend();
        }

        if (_guestShutdown == VsockShutdown.Both) _owed |= Owed.Reset;
    }

    // Whether bytes were sent.
    private bool Judge(VsockStreamStatus status)
    {
        if (status == VsockStreamStatus.Ok) return true;
        if (status == VsockStreamStatus.Pending)
        {
            _maySend = false;
            return false;
        }

        // Nobody reads any more: what is kept for him counts as passed on.
        _forwarded += (uint)_buffer.Count;
        _buffer.Remove(_buffer.Count);
        TellShutdown(_hostShutdown | VsockShutdown.RECEIVE);
        return false;
    }

    private void TellShutdown(VsockShutdown what)
    {
        if (_hostShutdown == what) return;
        _hostShutdown = what;
        _owed |= Owed.Shutdown;
    }

    private void Break()
    {
        _owed = Owed.Reset;
        _isOpen = false;
    }

    // A reset that follows a shutdown is the guest's patience running out: its last bytes are still passed on.
    private void Forget()
    {
        if (!_isOpen && (_owed & Owed.Reset) == 0) tally.Refused++;
        IsDraining = _buffer.Count != 0 && (_guestShutdown & VsockShutdown.SEND) != 0;
        if (!IsDraining) End();
    }
}
