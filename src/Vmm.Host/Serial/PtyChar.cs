using System.Text;
using Vmm.Core.Backends;
using Vmm.Host.Native;

namespace Vmm.Host.Serial;

/// <summary>A serial line on a new pseudo-terminal. Programs may open and close its path as they like; what nobody has read yet waits.</summary>
public sealed unsafe class PtyChar : ICharBackend
{
    private const int BufferBytes = 64 * 1024;

    private readonly EpollLoop _loop;
    private readonly OutputLog _log = new(BufferBytes);
    private readonly LinuxFile _master;
    // Held open so that the line never hangs up when a program closes its end.
    private readonly LinuxFile _slave;
    private readonly Action _flush;
    private readonly Action _offer;
    private CharPeer? _peer;
    private SwitchableReceiver? _receiver;
    private int _flushPosted;

    /// <param name="loop">The event loop.</param>
    /// <exception cref="LinuxException">The host has no pseudo-terminal to give.</exception>
    public PtyChar(EpollLoop loop)
    {
        _loop = loop;
        _master = LinuxFile.FromResult(Libc.PosixOpenPt(Libc.O_RDWR | Libc.O_NOCTTY | Libc.O_CLOEXEC), "opening a pseudo-terminal");
        try
        {
            if (Libc.GrantPt(_master.Fd) != 0 || Libc.UnlockPt(_master.Fd) != 0) throw LinuxException.FromLastError("unlocking a pseudo-terminal");
            Path = SlavePath(_master.Fd);
            _slave = LinuxFile.Open(Path, Libc.O_RDWR | Libc.O_NOCTTY);
            MakeRaw(_slave.Fd);
            _master.SetNonBlocking(true);
        }
        catch
        {
            _slave?.Dispose();
            _master.Dispose();
            throw;
        }

        _flush = FlushPosted;
        _offer = () => _peer?.OfferHeld();
    }

    /// <summary>What to open: /dev/pts/N.</summary>
    public string Path { get; }

    /// <summary>Bytes that were dropped because nobody read them.</summary>
    public long DroppedBytes => _peer?.DroppedBytes ?? 0;

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
            _peer?.OfferHeld();
            return;
        }

        _receiver = new SwitchableReceiver(receiver);
        _peer = new CharPeer(_loop, _master, _receiver, _log, _ => _peer = null);
        _peer.Flush();
    });

    /// <inheritdoc/>
    public void ReceiverReady() => _loop.Post(_offer);

    /// <inheritdoc/>
    public void Dispose()
    {
        _loop.Invoke(() =>
        {
            _peer?.Flush();
            _peer?.Dispose();
            _peer = null;
        });
        _slave.Dispose();
        _master.Dispose();
    }

    private void FlushPosted()
    {
        Volatile.Write(ref _flushPosted, 0);
        _peer?.Flush();
    }

    private static string SlavePath(int master)
    {
        const int Capacity = 64;
        byte* name = stackalloc byte[Capacity];
        // SAFETY: the buffer has the size that is given; the call terminates the string.
        int errno = Libc.PtsName(master, name, Capacity);
        if (errno != 0) throw new LinuxException("naming a pseudo-terminal", errno);
        return Encoding.UTF8.GetString(System.Runtime.InteropServices.MemoryMarshal.CreateReadOnlySpanFromNullTerminated(name));
    }

    // Without this, the line discipline would echo the guest's output back to it as input.
    private static void MakeRaw(int fd)
    {
        Libc.Termios mode;
        // SAFETY: a local that outlives the calls.
        if (Libc.TcGetAttr(fd, &mode) != 0) throw LinuxException.FromLastError("reading a pseudo-terminal's mode");
        Libc.CfMakeRaw(&mode);
        if (Libc.TcSetAttr(fd, Libc.TCSANOW, &mode) != 0) throw LinuxException.FromLastError("setting a pseudo-terminal's mode");
    }
}
