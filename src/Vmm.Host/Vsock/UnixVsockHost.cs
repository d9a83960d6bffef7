using System.Globalization;
using Vmm.Core.Backends;

namespace Vmm.Host.Vsock;

/// <summary>
/// Guest sockets on Unix sockets. Who connects to the path and writes "CONNECT 1234" gets "OK 1073741824" and then is connected with
/// port 1234 of the guest; what the guest connects to on port 52 is whoever listens on the path with "_52" behind it.
/// </summary>
public sealed class UnixVsockHost : IVsockHost
{
    // Peers that have not said yet what they want; the one that waits longest makes room for another.
    private const int MostHandshakes = 128;

    private readonly EpollLoop _loop;
    private readonly UnixListener _listener;
    private readonly List<VsockHandshake> _handshakes = [];
    private readonly Action _listenAgain;
    private EpollRegistration? _registration;
    private IVsockGuest? _guest;
    private bool _isStarved;

    /// <param name="loop">The event loop.</param>
    /// <param name="path">Where the socket for host peers appears.</param>
    /// <exception cref="LinuxException">The socket cannot be made.</exception>
    public UnixVsockHost(EpollLoop loop, string path)
    {
        _loop = loop;
        _listener = new UnixListener(path);
        _listenAgain = () =>
        {
            if (!_isStarved) return;
            _isStarved = false;
            _registration?.Watch(EpollEvents.Readable);
        };
    }

    /// <summary>The longest path: what stands behind it for a guest's connection must fit, too.</summary>
    public const int MostPathBytes = 107 - 11;

    /// <inheritdoc/>
    public void Attach(IVsockGuest guest)
    {
        Volatile.Write(ref _guest, guest);
        _loop.Invoke(() => _registration ??= _loop.Add(_listener.Fd, EpollEvents.Readable, _ => Accept()));
    }

    /// <inheritdoc/>
    public IVsockStream? TryConnect(uint port)
        => UnixListener.TryConnect(string.Create(CultureInfo.InvariantCulture, $"{_listener.Path}_{port}")) is { } socket ? NewStream(socket) : null;

    /// <inheritdoc/>
    public void Dispose() => _loop.Invoke(() =>
    {
        _registration?.Dispose();
        foreach (VsockHandshake handshake in _handshakes) handshake.Dispose();
        _handshakes.Clear();
        _listener.Dispose();
    });

    private UnixVsockStream NewStream(LinuxFile socket) => new(_loop, socket, Closed);

    private void Accept()
    {
        try
        {
            if (_listener.TryAccept() is not { } socket) return;
            if (_handshakes.Count == MostHandshakes) Drop(_handshakes[0]);
            _handshakes.Add(new VsockHandshake(_loop, socket, Introduced));
        }
        catch (LinuxException)
        {
            // No descriptor is left. Those that only wait give theirs up; else peers wait until a connection ends.
            if (_handshakes.Count != 0)
            {
                Drop(_handshakes[0]);
                return;
            }

            _isStarved = true;
            _registration?.Watch(EpollEvents.None);
        }
    }

    private void Introduced(VsockHandshake handshake, uint? port)
    {
        if (port is { } wanted && Volatile.Read(ref _guest) is { } guest)
        {
            UnixVsockStream stream = NewStream(handshake.TakeSocket());
            if (!guest.TryOpen(wanted, stream)) stream.Dispose();
        }

        Drop(handshake);
    }

    private void Drop(VsockHandshake handshake)
    {
        _handshakes.Remove(handshake);
        handshake.Dispose();
    }

    private void Closed()
    {
        if (Volatile.Read(ref _isStarved)) _loop.Post(_listenAgain);
    }
}
