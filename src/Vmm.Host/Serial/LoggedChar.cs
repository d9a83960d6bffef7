using Vmm.Core.Backends;

namespace Vmm.Host.Serial;

/// <summary>A serial line whose output is also written to a log file, whoever listens or not.</summary>
public sealed class LoggedChar : ICharBackend
{
    private const int BufferBytes = 256 * 1024;

    private readonly ICharBackend _line;
    private readonly RotatingFile _file;
    private readonly OutputThread _log;

    /// <param name="line">The line; disposed with this object, and left alone when this constructor throws.</param>
    /// <param name="path">The log; appended to.</param>
    /// <param name="mostBytes">When it would grow beyond, it is renamed to "….1" and begun anew; 0 for no bound.</param>
    /// <param name="report">Takes one line when bytes are dropped or writing fails.</param>
    /// <exception cref="LinuxException">The log cannot be opened.</exception>
    public LoggedChar(ICharBackend line, string path, long mostBytes, Action<string> report)
    {
        _line = line;
        _file = new RotatingFile(path, mostBytes);
        _log = new OutputThread($"log {path}", _file.Write, BufferBytes, report);
    }

    /// <inheritdoc/>
    public event Action? Changed
    {
        add => _line.Changed += value;
        remove => _line.Changed -= value;
    }

    /// <summary>The line itself.</summary>
    public ICharBackend Line => _line;

    /// <inheritdoc/>
    public bool IsConnected => _line.IsConnected;

    /// <inheritdoc/>
    public TerminalSize? Size => _line.Size;

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> data)
    {
        _line.Write(data);
        _log.Write(data);
    }

    /// <inheritdoc/>
    public void Attach(ICharReceiver receiver) => _line.Attach(receiver);

    /// <inheritdoc/>
    public void ReceiverReady() => _line.ReceiverReady();

    /// <inheritdoc/>
    public void Dispose()
    {
        _line.Dispose();
        _log.Dispose();
        _file.Dispose();
    }
}
