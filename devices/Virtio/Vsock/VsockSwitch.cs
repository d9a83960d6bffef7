using Vmm.Core.Backends;
using Vmm.Devices.Virtio.Queue;

namespace Vmm.Devices.Virtio.Vsock;

/// <summary>All connections of a guest: finds the one that a packet is for, and whose turn it is to send one. The worker's alone, but where it says otherwise.</summary>
internal sealed class VsockSwitch(ulong guestCid, IVsockHost host, Action wake)
{
    // Where the ports begin that host peers are given; guests rarely listen up there, so that the two are told apart in a trace.
    private const uint FirstPort = 1 << 30;

    // Answers to packets for nobody. While so many wait for the guest to make room, no packet of his is taken.
    private const int MostResets = 256;

    private readonly Dictionary<VsockPorts, VsockConnection> _connections = [];
    private readonly HashSet<VsockConnection> _draining = [];
    private readonly Queue<VsockConnection> _line = new();
    private readonly Queue<(VsockPorts Ports, ushort Type)> _resets = new();
    private readonly VsockTally _tally = new();
    private readonly Lock _readyGate = new();
    private List<VsockConnection> _ready = [];
    private List<VsockConnection> _readyNow = [];
    private int _count;
    private uint _nextPort = FirstPort;

    /// <summary>Connections. Any thread.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>The next port for a host peer. Any thread, while the worker rests.</summary>
    public uint NextPort
    {
        get => Volatile.Read(ref _nextPort);
        set => Volatile.Write(ref _nextPort, Math.Max(FirstPort, value));
    }

    /// <summary>The guest knows connections that carry messages.</summary>
    public bool HasSeqpacket { get; set; }

    /// <summary>No packet may be delivered before one was filled.</summary>
    public bool IsFull => _resets.Count >= MostResets;

    /// <summary>There may be something for the guest.</summary>
    public bool HasPacket => _resets.Count != 0 || _line.Count != 0;

    /// <summary>Counts so far. Any thread.</summary>
    public VirtioVsockStatistics Statistics => new(Count, Volatile.Read(ref _tally.Opened), Volatile.Read(ref _tally.Refused),
        Volatile.Read(ref _tally.BytesToGuest), Volatile.Read(ref _tally.BytesFromGuest), Volatile.Read(ref _tally.Dropped));

    /// <summary>Ends all connections without a word to the guest.</summary>
    public void Clear()
    {
        foreach (VsockConnection connection in _connections.Values) connection.End();
        foreach (VsockConnection connection in _draining) connection.End();
        _connections.Clear();
        _draining.Clear();
        _line.Clear();
        _resets.Clear();
        Recount();
    }

    /// <summary>A host peer wants to be connected with a port of the guest.</summary>
    public void Ask(uint guestPort, IVsockStream stream)
    {
        VsockPorts ports = new(TakePort(guestPort), guestPort);
        Add(ports, stream).Ask();
        Review(_connections[ports]);
    }

    /// <summary>Serves the connections whose streams became ready.</summary>
    public void ServeStreams()
    {
        lock (_readyGate)
        {
            (_ready, _readyNow) = (_readyNow, _ready);
            foreach (VsockConnection connection in _readyNow) connection.IsNotified = false;
        }

        foreach (VsockConnection connection in _readyNow)
        {
            if (connection.IsOver) continue;
            connection.StreamReady();
            Review(connection);
        }

        _readyNow.Clear();
    }

    /// <summary>A packet of the guest.</summary>
    public void Deliver(in VsockHeader header, VirtChain chain)
    {
        if (header.SourceCid != guestCid || header.DestinationCid != VirtioVsockRegisters.VMADDR_CID_HOST)
        {
            _tally.Dropped++;
            return;
        }

        VsockPorts ports = new(header.DestinationPort, header.SourcePort);
        bool isKnown = _connections.TryGetValue(ports, out VsockConnection? connection);
        if (isKnown && header.Type == connection!.Type)
        {
            connection.Handle(header, chain);
            Review(connection);
        }
        else if (!isKnown && header.Operation == VsockOperation.REQUEST && Connect(ports.Host, header.Type) is { } stream)
        {
            Add(ports, stream).Answer(header);
            Review(_connections[ports]);
        }
        else if (header.Operation != VsockOperation.RST)
        {
            _resets.Enqueue((ports, header.Type));
        }
    }

    /// <summary>Writes the next packet for the guest.</summary>
    /// <returns>Bytes written; 0 when there turned out to be none.</returns>
    public uint Fill(VirtChain chain)
    {
        if (_resets.TryDequeue(out (VsockPorts Ports, ushort Type) reset)) return FillReset(chain, reset.Ports, reset.Type);
        while (_line.TryDequeue(out VsockConnection? connection))
        {
            connection.IsQueued = false;
            if (connection.IsOver) continue;
            uint written = connection.Fill(chain, guestCid);
            Review(connection);
            if (written != 0) return written;
        }

        return 0;
    }

    private IVsockStream? Connect(uint port, ushort type)
    {
        VsockKind? kind = type switch
        {
            VsockHeader.VIRTIO_VSOCK_TYPE_STREAM => VsockKind.Stream,
            VsockHeader.VIRTIO_VSOCK_TYPE_SEQPACKET when HasSeqpacket => VsockKind.Seqpacket,
            _ => null,
        };
        IVsockStream? stream = kind is { } known && _count < VirtioVsock.MostConnections ? host.TryConnect(port, known) : null;
        if (stream is null) _tally.Refused++;
        return stream;
    }

    private VsockConnection Add(VsockPorts ports, IVsockStream stream)
    {
        VsockConnection connection = new(ports, stream, _tally);
        _connections.Add(ports, connection);
        Recount();
        stream.Attach(() => StreamReady(connection));
        return connection;
    }

    private uint TakePort(uint guestPort)
    {
        // There are far more ports than connections, so this ends soon.
        while (true)
        {
            uint port = _nextPort;
            Volatile.Write(ref _nextPort, port >= uint.MaxValue - 1 ? FirstPort : port + 1);
            if (!_connections.ContainsKey(new(port, guestPort))) return port;
        }
    }

    // After anything happened to a connection: it is over, or only drains, or has something to send.
    private void Review(VsockConnection connection)
    {
        if (connection.IsOver || connection.IsDraining)
        {
            if (_connections.GetValueOrDefault(connection.Ports) == connection) _connections.Remove(connection.Ports);
            if (connection.IsOver) _draining.Remove(connection);
            else _draining.Add(connection);
            Recount();
        }
        else if (connection.HasPacket && !connection.IsQueued)
        {
            connection.IsQueued = true;
            _line.Enqueue(connection);
        }
    }

    private void StreamReady(VsockConnection connection)
    {
        lock (_readyGate)
        {
            if (connection.IsNotified) return;
            connection.IsNotified = true;
            _ready.Add(connection);
        }

        wake();
    }

    private void Recount() => Volatile.Write(ref _count, _connections.Count + _draining.Count);

    private uint FillReset(VirtChain chain, VsockPorts ports, ushort type)
    {
        VsockHeader header = new()
        {
            SourceCid = VirtioVsockRegisters.VMADDR_CID_HOST,
            DestinationCid = guestCid,
            SourcePort = ports.Host,
            DestinationPort = ports.Guest,
            Type = type,
            Operation = VsockOperation.RST,
        };
        Span<byte> bytes = stackalloc byte[VsockHeader.SizeBytes];
        header.Write(bytes);
        chain.TryWrite(0, bytes);
        return VsockHeader.SizeBytes;
    }
}
