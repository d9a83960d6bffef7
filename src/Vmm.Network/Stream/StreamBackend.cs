using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Host;
using Vmm.Host.Net;
using Vmm.Network.Offload;

namespace Vmm.Network.Stream;

/// <summary>
/// A link to one peer over a Unix stream socket, framed as by QEMU's <c>-netdev stream</c>. One end listens and the other connects, again and
/// again; the link is up while there is a peer. What a peer sends is believed only as far as it was checked here.
/// </summary>
/// <remarks>Lock order: sending, receiving, then the connection's own.</remarks>
public sealed class StreamBackend : INetBackend
{
    private const int RetryMs = 500;

    private readonly EpollLoop _loop;
    private readonly string _path;
    private readonly Action<string> _report;
    private readonly UnixListener? _listener;
    private readonly EpollRegistration? _accepting;
    private readonly Timer? _retry;
    private readonly Lock _sendGate = new(), _receiveGate = new();
    private readonly StreamSender _sender = new();
    private readonly StreamReader _reader = new();
    private readonly Action _dropPeer;
    private StreamConnection? _connection;
    private INetReceiver? _receiver;
    private volatile bool _takesVerified;
    private bool _isDisposed;

    /// <param name="loop">Where the sockets are watched.</param>
    /// <param name="path">The socket.</param>
    /// <param name="isServer">This end listens.</param>
    /// <param name="report">Takes a line when a peer comes or goes.</param>
    /// <exception cref="LinuxException">The socket cannot be there.</exception>
    public StreamBackend(EpollLoop loop, string path, bool isServer, Action<string> report)
    {
        (_loop, _path, _report) = (loop, path, report);
        _dropPeer = DropPeer;
        if (isServer)
        {
            _listener = new UnixListener(path);
            _accepting = loop.Add(_listener.Fd, EpollEvents.Readable, _ => Accept());
        }
        else
        {
            _retry = new Timer(_ => loop.Post(Connect), null, 0, RetryMs);
        }
    }

    /// <inheritdoc/>
    public event Action? LinkChanged;

    /// <inheritdoc/>
    public int QueueCount => 1;

    /// <summary>Summing and cutting are done here, faster than a guest would.</summary>
    public NetOffloads Offloads => NetOffloads.Checksum | NetOffloads.Tso4 | NetOffloads.Tso6 | NetOffloads.TsoEcn | NetOffloads.Uso;

    /// <inheritdoc/>
    public bool IsLinkUp => Volatile.Read(ref _connection) is not null;

    /// <inheritdoc/>
    public void Attach(INetReceiver receiver)
    {
        Volatile.Write(ref _receiver, receiver);
        receiver.FramesReady(0);
    }

    /// <inheritdoc/>
    public void Configure(NetOffloads accepted, int queues) => _takesVerified = (accepted & NetOffloads.Checksum) != 0;

    /// <inheritdoc/>
    public NetSendResult Send(int queue, ReadOnlySpan<IoVec> frame)
    {
        lock (_sendGate)
        {
            if (_connection is not { } connection) return NetSendResult.Dropped;
            NetSendResult result = _sender.Add(frame);
            bool isOpen = Flush(connection);
            // What waited may be out now.
            if (isOpen && result == NetSendResult.Full) result = _sender.Add(frame);
            if (isOpen && !_sender.Waiting.IsEmpty) connection.Watch(EpollEvents.Writable);
            return isOpen ? result : NetSendResult.Dropped;
        }
    }

    /// <inheritdoc/>
    public int Receive(int queue, ReadOnlySpan<IoVec> into)
    {
        lock (_receiveGate)
        {
            while (_connection is { } connection)
            {
                if (!_reader.TryTake(out ReadOnlySpan<byte> frame))
                {
                    _report($"{_path}: what comes from the peer are no frames");
                    _loop.Post(_dropPeer);
                    return 0;
                }

                if (!frame.IsEmpty)
                {
                    int count = Deliver(frame, into);
                    if (count != 0) return count;
                    continue;
                }

                int received = connection.Socket.Receive(_reader.Room);
                if (received > 0)
                {
                    _reader.Advance(received);
                    continue;
                }

                if (received == 0) connection.Watch(EpollEvents.Readable);
                else _loop.Post(_dropPeer);
                return 0;
            }

            return 0;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _loop.Invoke(() =>
        {
            _isDisposed = true;
            _accepting?.Dispose();
            CloseConnection();
        });
        _retry?.Dispose();
        _listener?.Dispose();
    }

    /// <returns>Bytes with the header; 0 when it does not fit.</returns>
    private int Deliver(ReadOnlySpan<byte> frame, ReadOnlySpan<IoVec> into)
    {
        if (!IoCursor.TrySum(into, out ulong room) || room < (ulong)(INetBackend.HeaderBytes + frame.Length)) return 0;
        bool isChecked = _takesVerified && FrameChecksums.AreRight(frame);
        Span<byte> header = stackalloc byte[INetBackend.HeaderBytes];
        new NetHeader(isChecked ? NetHeaderFlags.VIRTIO_NET_HDR_F_DATA_VALID : NetHeaderFlags.None, NetSegmentation.VIRTIO_NET_HDR_GSO_NONE, 0, 0, 0, 0).Write(header);
        IoCursor cursor = new(into);
        cursor.Fill(header);
        cursor.Fill(frame);
        return INetBackend.HeaderBytes + frame.Length;
    }

    /// <returns>False when the peer is gone.</returns>
    private bool Flush(StreamConnection connection)
    {
        while (!_sender.Waiting.IsEmpty)
        {
            int sent = connection.Socket.Send(_sender.Waiting);
            if (sent < 0)
            {
                _loop.Post(_dropPeer);
                return false;
            }

            if (sent == 0) return true;
            _sender.Advance(sent);
        }

        return true;
    }

    private void Accept()
    {
        if (_listener!.TryAccept() is not { } client) return;
        // A link has two ends: a third one is turned away.
        if (_connection is not null || _isDisposed) client.Dispose();
        else Open(new StreamSocket(client));
    }

    private void Connect()
    {
        if (_connection is not null || _isDisposed) return;
        try
        {
            if (StreamSocket.TryConnect(_path) is { } socket) Open(socket);
        }
        catch (LinuxException e)
        {
            _report(e.Message);
            _retry!.Change(Timeout.Infinite, Timeout.Infinite);
        }
    }

    private void Open(StreamSocket socket)
    {
        StreamConnection connection = new(_loop, socket, OnReadable, OnWritable);
        lock (_sendGate)
        {
            lock (_receiveGate)
            {
                _sender.Clear();
                _reader.Clear();
                Volatile.Write(ref _connection, connection);
            }
        }

        _report($"{_path}: a peer is connected");
        LinkChanged?.Invoke();
        OnReadable();
        Volatile.Read(ref _receiver)?.RoomToSend(0);
    }

    private void DropPeer()
    {
        if (!CloseConnection() || _isDisposed) return;
        _report($"{_path}: the peer is gone");
        LinkChanged?.Invoke();
        Volatile.Read(ref _receiver)?.RoomToSend(0);
    }

    private bool CloseConnection()
    {
        lock (_sendGate)
        {
            lock (_receiveGate)
            {
                if (_connection is not { } connection) return false;
                Volatile.Write(ref _connection, null);
                connection.Dispose();
                return true;
            }
        }
    }

    private void OnReadable() => Volatile.Read(ref _receiver)?.FramesReady(0);

    private void OnWritable()
    {
        lock (_sendGate)
        {
            if (_connection is not { } connection || !Flush(connection)) return;
            if (!_sender.Waiting.IsEmpty) connection.Watch(EpollEvents.Writable);
        }

        Volatile.Read(ref _receiver)?.RoomToSend(0);
    }
}
