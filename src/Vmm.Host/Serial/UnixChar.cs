using Vmm.Core.Backends;

namespace Vmm.Host.Serial;

/// <summary>
/// A serial line behind a Unix socket. Clients come and go; each gets the kept output first and then what follows, and all may type.
/// A client that does not read loses the oldest bytes, nobody else does.
/// </summary>
public sealed class UnixChar : ICharBackend
{
    /// <summary>The most clients at a time.</summary>
    public const int MaximumClients = 8;

    private const int KeptBytes = 64 * 1024;

    private readonly EpollLoop _loop;
    private readonly OutputLog _log = new(KeptBytes);
    private readonly UnixListener _listener;
    private readonly Action<string> _report;
    private readonly List<CharPeer> _peers = [];
    private readonly Action _flush;
    private readonly Action _offer;
    private EpollRegistration? _registration;
    private SwitchableReceiver? _receiver;
    private long _droppedByGone;
    private int _flushPosted;
    private bool _dropReported;
    private bool _isConnected;

    /// <param name="loop">The event loop.</param>
    /// <param name="path">Where the socket appears.</param>
    /// <param name="report">Takes one line when bytes are dropped.</param>
    /// <exception cref="LinuxException">The socket cannot be made.</exception>
    public UnixChar(EpollLoop loop, string path, Action<string> report)
    {
        _loop = loop;
        _report = report;
        _listener = new UnixListener(path);
        _flush = FlushPosted;
        _offer = () =>
        {
            for (int i = _peers.Count - 1; i >= 0; i--) _peers[i].OfferHeld();
        };
    }

    /// <inheritdoc/>
    public event Action? Changed;

    /// <inheritdoc/>
    public bool IsConnected => Volatile.Read(ref _isConnected);

    /// <summary>Bytes that clients lost because they did not read in time. On the loop's thread.</summary>
    public long DroppedBytes
    {
        get
        {
            long total = _droppedByGone;
            foreach (CharPeer peer in _peers) total += peer.DroppedBytes;
            return total;
        }
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> data)
    {
        _log.Append(data);
        if (Interlocked.Exchange(ref _flushPosted, 1) == 0) _loop.Post(_flush);
    }

    /// <inheritdoc/>
    public void Attach(ICharReceiver receiver) => _loop.Invoke(() =>
    {
        if (_receiver is not null)
        {
            _receiver.Target = receiver;
            _offer();
            return;
        }

        _receiver = new SwitchableReceiver(receiver);
        _registration = _loop.Add(_listener.Fd, EpollEvents.Readable, _ => Accept());
    });

    /// <inheritdoc/>
    public void ReceiverReady() => _loop.Post(_offer);

    /// <inheritdoc/>
    public void Dispose() => _loop.Invoke(() =>
    {
        _registration?.Dispose();
        FlushPosted();
        foreach (CharPeer peer in _peers) peer.Dispose();
        _peers.Clear();
        _listener.Dispose();
    });

    private void Accept()
    {
        LinuxFile? client = _listener.TryAccept();
        if (client is null) return;
        if (_peers.Count == MaximumClients)
        {
            client.Dispose();
            return;
        }

        CharPeer peer = new(_loop, client, _receiver!, _log, Gone);
        _peers.Add(peer);
        NoteConnection();
        peer.Flush();
    }

    private void Gone(CharPeer peer)
    {
        _droppedByGone += peer.DroppedBytes;
        _peers.Remove(peer);
        NoteConnection();
    }

    private void NoteConnection()
    {
        bool isConnected = _peers.Count != 0;
        if (isConnected == _isConnected) return;
        Volatile.Write(ref _isConnected, isConnected);
        Changed?.Invoke();
    }

    private void FlushPosted()
    {
        Volatile.Write(ref _flushPosted, 0);
        for (int i = _peers.Count - 1; i >= 0; i--) _peers[i].Flush();
        if (_dropReported || DroppedBytes == 0) return;
        _dropReported = true;
        _report($"serial {_listener.Path}: a client does not read fast enough; it loses the oldest bytes");
    }
}
