namespace Vmm.Core.Backends;

/// <summary>The host end of a serial line: terminal, file, pty, socket. Never blocks the caller.</summary>
public interface ICharBackend : IDisposable
{
    /// <summary>Sends bytes from the guest. The backend keeps what it cannot pass on at once, up to a bound, and beyond it drops the oldest.</summary>
    void Write(ReadOnlySpan<byte> data);

    /// <summary>Names who takes input, before the machine runs. A later call (the machine was reset) replaces the earlier.</summary>
    void Attach(ICharReceiver receiver);

    /// <summary>Called by the receiver when it has room again after it answered 0 or less than offered. Any thread.</summary>
    void ReceiverReady();

    /// <summary>Whether somebody is there: reads the output, may type. What is always there says so.</summary>
    bool IsConnected => true;

    /// <summary>The window's size, where there is a window.</summary>
    TerminalSize? Size => null;

    /// <summary><see cref="IsConnected"/> or <see cref="Size"/> has changed. Any thread, without locks held.</summary>
    event Action? Changed
    {
        add { }
        remove { }
    }
}
