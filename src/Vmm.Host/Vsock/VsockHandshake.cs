using System.Globalization;
using System.Text;
using Vmm.Core.Backends;
using Vmm.Host.Native;

namespace Vmm.Host.Vsock;

/// <summary>A host peer that has yet to say which port of the guest it wants: a line "CONNECT 1234", or a message of it. On the event loop's thread.</summary>
internal sealed unsafe class VsockHandshake : IDisposable
{
    private const int MostLineBytes = 32;
    private const string Verb = "CONNECT ";

    private readonly LinuxFile _socket;
    private readonly VsockKind _kind;
    private readonly EpollRegistration _registration;
    private readonly Action<VsockHandshake, VsockKind, uint?> _done;
    private bool _isTaken;

    /// <param name="loop">Says when there is something to read.</param>
    /// <param name="socket">Connected and non-blocking; owned from here on.</param>
    /// <param name="kind">What the socket carries.</param>
    /// <param name="done">Told the port, or null when the peer said something else or left.</param>
    /// <exception cref="LinuxException">The socket cannot be watched.</exception>
    public VsockHandshake(EpollLoop loop, LinuxFile socket, VsockKind kind, Action<VsockHandshake, VsockKind, uint?> done)
    {
        (_socket, _kind, _done) = (socket, kind, done);
        try
        {
            // A part of the line stays in the socket and must not be reported again and again.
            _registration = loop.Add(socket.Fd, EpollEvents.Readable | EpollEvents.PeerClosed | EpollEvents.EdgeTriggered, _ => Read());
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Gives the socket away, with what the peer has sent behind the line.</summary>
    public LinuxFile TakeSocket()
    {
        _isTaken = true;
        _registration.Dispose();
        return _socket;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _registration.Dispose();
        if (!_isTaken) _socket.Dispose();
    }

    private void Read()
    {
        if (_isTaken || _socket.IsClosed) return;
        byte* line = stackalloc byte[MostLineBytes];
        // SAFETY: the kernel writes at most the buffer's size.
        nint count = Libc.Recv(_socket.Fd, line, MostLineBytes, Libc.MSG_PEEK);
        if (count < 0) return;
        ReadOnlySpan<byte> seen = new(line, (int)count);
        int end = seen.IndexOf((byte)'\n');
        if (_kind == VsockKind.Seqpacket)
        {
            // The message is the line, with or without its end; it goes whole, whatever part of it was asked for.
            _ = Libc.Recv(_socket.Fd, line, 1, 0);
            bool isLine = count < MostLineBytes && (end < 0 || end == count - 1);
            _done(this, _kind, isLine ? Parse(seen[..(end < 0 ? seen.Length : end)]) : null);
            return;
        }

        if (end < 0)
        {
            if (count is 0 or MostLineBytes) _done(this, _kind, null);
            return;
        }

        _ = Libc.Recv(_socket.Fd, line, (nuint)end + 1, 0);
        _done(this, _kind, Parse(seen[..end]));
    }

    private static uint? Parse(ReadOnlySpan<byte> line)
    {
        bool isVerb = line.Length > Verb.Length && Ascii.EqualsIgnoreCase(line[..Verb.Length], Verb);
        return isVerb && uint.TryParse(line[Verb.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out uint port) ? port : null;
    }
}
