using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Devices.Virtio.Queue;

namespace Vmm.Devices.Virtio.Vsock;

/// <summary>
/// One connection between the guest and a stream of the host, with credit in both directions (virtio 1.2 §5.10.6.3). What the guest may
/// send is bounded by <see cref="VsockBuffer"/>; what the host sends waits in the stream until the guest has room. The worker's alone.
/// </summary>
internal sealed class VsockConnection(VsockPorts ports, IVsockStream stream, VsockTally tally)
{
    private const int MostVectors = 16;

    // Told at the latest when this much room has come back.
    private const uint CreditStep = VsockBuffer.SizeBytes / 4;

    private readonly VsockBuffer _buffer = new();
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
                TakeData(chain, (int)header.Length);
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
            Type = VsockHeader.Stream,
            Operation = operation,
            Flags = operation == VsockOperation.SHUTDOWN ? (uint)_hostShutdown : 0,
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
        stream.Dispose();
    }

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

    // From the stream straight into the guest's buffer.
    private uint Receive(VirtChain chain)
    {
        ulong room = Math.Min(Math.Min(chain.WritableBytes - VsockHeader.SizeBytes, Credit), VsockBuffer.SizeBytes);
        Span<IoVec> vectors = stackalloc IoVec[MostVectors];
        if (!chain.TryPinWritable(VsockHeader.SizeBytes, room, vectors, out int count))
        {
            Break();
            return 0;
        }

        VsockStreamStatus status = stream.Receive(vectors[..count], out int received);
        switch (status)
        {
            case VsockStreamStatus.Ok:
                chain.MarkWritten(VsockHeader.SizeBytes, (ulong)received);
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

    private void AskForCredit()
    {
        if (Credit != 0 || _hasAskedForCredit) return;
        _hasAskedForCredit = true;
        _owed |= Owed.CreditRequest;
    }

    private void TakeData(VirtChain chain, int length)
    {
        _received += (uint)length;
        tally.BytesFromGuest += (uint)length;
        int sent = _buffer.Count == 0 && _maySend && !IsHostDeaf ? SendDirectly(chain, length) : 0;
        if (IsHostDeaf) sent = length;
        _forwarded += (uint)sent;
        if (sent != length) _buffer.Add(chain, VsockHeader.SizeBytes + (ulong)sent, length - sent);
        Flush();
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
        while (_buffer.Count != 0 && _maySend)
        {
            if (!Judge(stream.Send(_buffer.First, out int sent))) continue;
            _forwarded += (uint)sent;
            _buffer.Remove(sent);
        }

        if (_forwarded - _announced >= CreditStep) _owed |= Owed.Credit;
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
