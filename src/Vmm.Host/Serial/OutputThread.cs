namespace Vmm.Host.Serial;

/// <summary>
/// Writes what a guest sends to a descriptor that may block (a terminal, a pipe, a file), on a thread of its own. It takes what has
/// gathered at most every millisecond, so that a guest that sends byte by byte wakes nobody for each.
/// </summary>
internal sealed class OutputThread : IDisposable
{
    private const int PaceMs = 1;
    private const int FlushMs = 2000;
    private const int ChunkBytes = 16 * 1024;
    private const int StackBytes = 256 * 1024;

    private readonly object _gate = new();
    private readonly string _name;
    private readonly WriteSome _write;
    private readonly OutputLog _log;
    private readonly Action<string> _report;
    private readonly Thread _thread;
    private bool _idle;
    private bool _closing;
    private long _position;
    private long _dropped;

    /// <summary>Writes bytes, possibly fewer than given; -1 for none now.</summary>
    public delegate int WriteSome(ReadOnlySpan<byte> data);

    /// <param name="name">For messages and the thread.</param>
    /// <param name="write">Where to write.</param>
    /// <param name="capacityBytes">The most bytes that wait; beyond it the oldest are dropped.</param>
    /// <param name="report">Takes one line when bytes are dropped or writing fails, once each.</param>
    public OutputThread(string name, WriteSome write, int capacityBytes, Action<string> report)
    {
        _name = name;
        _write = write;
        _log = new OutputLog(capacityBytes);
        _report = report;
        _thread = new Thread(Run, StackBytes) { Name = name, IsBackground = true };
        _thread.Start();
    }

    /// <summary>Bytes that were lost because nobody took them in time.</summary>
    public long DroppedBytes => Volatile.Read(ref _dropped);

    /// <summary>Never blocks.</summary>
    public void Write(ReadOnlySpan<byte> data)
    {
        _log.Append(data);
        Interlocked.MemoryBarrier(); // pairs with the one in WaitForOutput
        if (!Volatile.Read(ref _idle)) return;
        lock (_gate) Monitor.Pulse(_gate);
    }

    /// <summary>Waits up to two seconds for what is left to be written.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_closing) return;
            _closing = true;
            Monitor.Pulse(_gate);
        }

        _thread.Join(FlushMs);
    }

    private void Run()
    {
        byte[] chunk = new byte[ChunkBytes];
        try
        {
            while (WaitForOutput())
            {
                int count = _log.Peek(ref _position, chunk, out long lost);
                Account(lost);
                _position += count;
                WriteAll(chunk.AsSpan(0, count));
                if (!_closing) Thread.Sleep(PaceMs);
            }
        }
        catch (Exception e) when (e is LinuxException or ObjectDisposedException)
        {
            // Nobody will read any more: the log turns over by itself.
            _report($"{_name}: output stops: {e.Message}");
        }
    }

    /// <returns>False when everything is written and the end has come.</returns>
    private bool WaitForOutput()
    {
        lock (_gate)
        {
            // Idle is set before the log is looked at, and the writer looks at it after it has appended: no wake-up is lost.
            Volatile.Write(ref _idle, true);
            Interlocked.MemoryBarrier();
            while (_log.Head == _position && !_closing) Monitor.Wait(_gate);
            Volatile.Write(ref _idle, false);
            return _log.Head != _position;
        }
    }

    private void WriteAll(ReadOnlySpan<byte> data)
    {
        while (!data.IsEmpty)
        {
            int count = _write(data);
            if (count > 0) data = data[count..];
            else Thread.Sleep(PaceMs); // somebody else made the descriptor non-blocking
        }
    }

    private void Account(long lost)
    {
        if (lost == 0) return;
        if (_dropped == 0) _report($"{_name}: output is not taken fast enough; the oldest bytes are dropped");
        Volatile.Write(ref _dropped, _dropped + lost);
    }
}
