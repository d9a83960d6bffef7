namespace Vmm.Control.Domains;

/// <summary>Passes lines on and remembers the last ones. Thread-safe.</summary>
/// <param name="write">Takes each line.</param>
internal sealed class LogTail(Action<string> write)
{
    private const int Most = 20;

    private readonly Lock _gate = new();
    private readonly Queue<string> _lines = new();

    /// <summary>The last lines, the oldest first.</summary>
    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (_gate) return [.. _lines];
        }
    }

    public void Write(string line)
    {
        lock (_gate)
        {
            if (_lines.Count == Most) _lines.Dequeue();
            _lines.Enqueue(line);
            write(line);
        }
    }
}
