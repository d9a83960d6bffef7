using System.Globalization;
using Vmm.Core.Backends;

namespace Vmm.Host.Vsock;

/// <summary>
/// Guest sockets on Unix sockets. Who connects to the path and writes "CONNECT 1234" gets "OK 1073741824" and then is connected with
/// port 1234 of the guest; what the guest connects to on port 52 is whoever listens on the path with "_52" behind it. Sockets that keep
/// messages apart (SOCK_SEQPACKET) go the same ways, from host to guest by the path with "_seqpacket" behind it: a path has one type.
/// </summary>
public sealed class UnixVsockHost : IVsockHost
{
    /// <summary>Behind the path, for host peers that want to exchange messages.</summary>
    public const string SeqpacketSuffix = "_seqpacket";

    // Peers that have not said yet what they want; the one that waits longest makes room for another.
    private const int MostHandshakes = 128;

    private readonly EpollLoop _loop;
    private readonly (UnixListener Listener, VsockKind Kind)[] _listeners;
    private readonly List<VsockHandshake> _handshakes = [];
    private readonly Action _listenAgain;
    private EpollRegistration[] _registrations = [];
    private IVsockGuest? _guest;
    private bool _isStarved;

    /// <param name="loop">The event loop.</param>
    /// <param name="path">Where the socket for host peers appears.</param>
    /// <exception cref="LinuxException">A socket cannot be made.</exception>
    public UnixVsockHost(EpollLoop loop, string path)
    {
        (_loop, Path) = (loop, path);
        UnixListener streams = new(path);
        try
        {
            _listeners = [(streams, VsockKind.Stream), (new UnixListener(path + SeqpacketSuffix, isSeqpacket: true), VsockKind.Seqpacket)];
        }
        catch
        {
            streams.Dispose();
            throw;
        }

        _listenAgain = () =>
        {
            if (!_isStarved) return;
            _isStarved = false;
            Watch(EpollEvents.Readable);
        };
    }

    /// <summary>The longest path: what stands behind it for a guest's connection must fit, too.</summary>
    public const int MostPathBytes = 107 - 11;

    private string Path { get; }

    /// <inheritdoc/>
    public void Attach(IVsockGuest guest)
    {
        Volatile.Write(ref _guest, guest);
        _loop.Invoke(() =>
        {
            if (_registrations.Length == 0) _registrations = [.. _listeners.Select(l => _loop.Add(l.Listener.Fd, EpollEvents.Readable, _ => Accept(l.Listener, l.Kind)))];
        });
    }

    /// <inheritdoc/>
    public IVsockStream? TryConnect(uint port, VsockKind kind)
    {
        string path = string.Create(CultureInfo.InvariantCulture, $"{Path}_{port}");
        return UnixListener.TryConnect(path, kind == VsockKind.Seqpacket) is { } socket ? NewStream(socket, kind) : null;
    }

    /// <inheritdoc/>
    public void Dispose() => _loop.Invoke(() =>
    {
        foreach (EpollRegistration registration in _registrations) registration.Dispose();
        foreach (VsockHandshake handshake in _handshakes) handshake.Dispose();
        _handshakes.Clear();
        foreach ((UnixListener listener, _) in _listeners) listener.Dispose();
    });

    private UnixVsockStream NewStream(LinuxFile socket, VsockKind kind) => new(_loop, socket, kind, Closed);

    private void Accept(UnixListener listener, VsockKind kind)
    {
        try
        {
            if (listener.TryAccept() is not { } socket) return;
            if (_handshakes.Count == MostHandshakes) Drop(_handshakes[0]);
            _handshakes.Add(new VsockHandshake(_loop, socket, kind, Introduced));
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
            Watch(EpollEvents.None);
        }
    }

    private void Watch(EpollEvents events)
    {
        foreach (EpollRegistration registration in _registrations) registration.Watch(events);
    }

    private void Introduced(VsockHandshake handshake, VsockKind kind, uint? port)
    {
        if (port is { } wanted && Volatile.Read(ref _guest) is { } guest)
        {
            UnixVsockStream stream = NewStream(handshake.TakeSocket(), kind);
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
