using Vmm.Core.Backends;

namespace Vmm.Host.Serial;

/// <summary>
/// A serial line on standard input and output. A terminal is switched to raw mode, where Ctrl-] leaves. The descriptors are shared with
/// the shell, so they are never made non-blocking: output has a thread of its own.
/// </summary>
public sealed class StdioChar : ICharBackend
{
    /// <summary>Ctrl-]: leaves, as in telnet.</summary>
    public const byte LeaveKey = 0x1d;

    private const int BufferBytes = 256 * 1024;

    private readonly EpollLoop _loop;
    private readonly LinuxFile _in;
    private readonly LinuxFile _out;
    private readonly LinuxFile _terminal;
    private readonly OutputThread _output;
    private readonly Action _leave;
    private readonly Action _offer;
    private CharPeer? _input;
    private SwitchableReceiver? _receiver;

    /// <param name="loop">The event loop.</param>
    /// <param name="leave">Called on the loop's thread when the user pressed Ctrl-] on a terminal.</param>
    /// <param name="report">Takes one line when bytes are dropped or writing fails.</param>
    /// <exception cref="LinuxException">A standard descriptor is closed.</exception>
    public StdioChar(EpollLoop loop, Action leave, Action<string> report) : this(loop, LinuxFile.Standard(0), LinuxFile.Standard(1), leave, report) { }

    internal StdioChar(EpollLoop loop, LinuxFile input, LinuxFile output, Action leave, Action<string> report)
    {
        _loop = loop;
        _leave = leave;
        // Own descriptors, so that a registration or a close here never touches the process's standard ones.
        _in = input.Duplicate();
        _out = output.Duplicate();
        // Its own descriptor as well: the input's is closed before the terminal is put back.
        _terminal = input.Duplicate();
        Terminal = Terminal.TryEnterRaw(_terminal.Fd);
        _output = new OutputThread("serial stdio", _out.Write, BufferBytes, report);
        if (Terminal is not null) Terminal.Resized += OnResized;
        _offer = () => _input?.OfferHeld();
    }

    /// <inheritdoc/>
    public event Action? Changed;

    /// <inheritdoc/>
    public TerminalSize? Size => Terminal?.Size;

    /// <summary>The terminal in raw mode; null when standard input is none.</summary>
    public Terminal? Terminal { get; }

    /// <summary>Bytes that were lost because they were taken too slowly.</summary>
    public long DroppedBytes => _output.DroppedBytes;

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> data) => _output.Write(data);

    /// <inheritdoc/>
    public void Attach(ICharReceiver receiver) => _loop.Invoke(() =>
    {
        if (_receiver is not null)
        {
            _receiver.Target = receiver;
            _input?.OfferHeld();
            return;
        }

        _receiver = new SwitchableReceiver(receiver);
        _input = new CharPeer(_loop, _in, _receiver, output: null, _ => _input = null, Terminal is null ? null : Filter);
    });

    /// <inheritdoc/>
    public void ReceiverReady() => _loop.Post(_offer);

    /// <inheritdoc/>
    public void Dispose()
    {
        _loop.Invoke(() => _input?.Dispose());
        _output.Dispose();
        Terminal?.Dispose();
        _terminal.Dispose();
        _in.Dispose();
        _out.Dispose();
    }

    private void OnResized() => Changed?.Invoke();

    private int Filter(ReadOnlySpan<byte> input)
    {
        int at = input.IndexOf(LeaveKey);
        if (at < 0) return input.Length;
        _leave();
        return at;
    }
}
