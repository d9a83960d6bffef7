using System.Runtime.InteropServices;
using Vmm.Core.Backends;
using Vmm.Host.Native;

namespace Vmm.Host;

/// <summary>
/// The user's terminal in raw mode, as a serial line wants it. It is put back when this is disposed, when the process exits or dies
/// of an exception, and while the process is stopped by SIGTSTP.
/// </summary>
public sealed unsafe class Terminal : IDisposable
{
    private static int s_raw;

    private readonly Lock _gate = new();
    private readonly int _fd;
    private readonly PosixSignalRegistration _stop;
    private readonly PosixSignalRegistration _continue;
    private readonly PosixSignalRegistration _resize;
    private Libc.Termios _saved;
    private bool _isRaw;
    private bool _disposed;

    private Terminal(int fd, in Libc.Termios saved)
    {
        _fd = fd;
        _saved = saved;
        AppDomain.CurrentDomain.ProcessExit += OnProcessEnd;
        AppDomain.CurrentDomain.UnhandledException += OnProcessEnd;
        _stop = PosixSignalRegistration.Create(PosixSignal.SIGTSTP, Suspend);
        _continue = PosixSignalRegistration.Create(PosixSignal.SIGCONT, _ => EnterRaw());
        _resize = PosixSignalRegistration.Create(PosixSignal.SIGWINCH, _ => Resized?.Invoke());
        EnterRaw();
    }

    /// <summary>The window has another size. A thread of the pool.</summary>
    public event Action? Resized;

    /// <summary>The window's size; null where the terminal knows none.</summary>
    public TerminalSize? Size
    {
        get
        {
            Libc.WinSize size;
            // SAFETY: a local that outlives the call; the kernel writes its eight bytes.
            return Libc.Ioctl(_fd, Libc.TIOCGWINSZ, (nint)(&size)) == 0 && size.Columns != 0 && size.Rows != 0 ? new TerminalSize(size.Columns, size.Rows) : null;
        }
    }

    /// <summary>True while it is raw.</summary>
    public bool IsRaw => Volatile.Read(ref _isRaw);

    /// <summary>True while any terminal of this process is raw: a line of ours then needs a carriage return before its line feed.</summary>
    public static bool IsAnyRaw => Volatile.Read(ref s_raw) != 0;

    /// <summary>True when the descriptor is a terminal.</summary>
    public static bool IsTerminal(int fd) => Libc.IsAtty(fd) == 1;

    /// <summary>Switches a terminal to raw mode.</summary>
    /// <returns>Null when the descriptor is no terminal.</returns>
    public static Terminal? TryEnterRaw(int fd)
    {
        Libc.Termios saved;
        // SAFETY: a local that outlives the call.
        return IsTerminal(fd) && Libc.TcGetAttr(fd, &saved) == 0 ? new Terminal(fd, saved) : null;
    }

    /// <summary>Puts the terminal back as it was. Any thread; a second time does nothing.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            Restore();
            if (_disposed) return;
            _disposed = true;
        }

        AppDomain.CurrentDomain.ProcessExit -= OnProcessEnd;
        AppDomain.CurrentDomain.UnhandledException -= OnProcessEnd;
        _stop.Dispose();
        _continue.Dispose();
        _resize.Dispose();
    }

    private void EnterRaw()
    {
        lock (_gate)
        {
            if (_disposed || _isRaw) return;
            Libc.Termios raw = _saved;
            Libc.CfMakeRaw(&raw);
            // SAFETY: locals that outlive the calls.
            _isRaw = Libc.TcSetAttr(_fd, Libc.TCSADRAIN, &raw) == 0;
            if (_isRaw) Interlocked.Increment(ref s_raw);
        }
    }

    private void Restore()
    {
        if (!_isRaw) return;
        Libc.Termios saved = _saved;
        // SAFETY: a local that outlives the call.
        _ = Libc.TcSetAttr(_fd, Libc.TCSANOW, &saved);
        _isRaw = false;
        Interlocked.Decrement(ref s_raw);
    }

    private void Suspend(PosixSignalContext context)
    {
        context.Cancel = true;
        lock (_gate) Restore();
        _ = Libc.Kill(Libc.GetPid(), Libc.SIGSTOP);
        // Stopped here, until SIGCONT runs EnterRaw.
    }

    private void OnProcessEnd(object? sender, EventArgs e)
    {
        lock (_gate) Restore();
    }
}
