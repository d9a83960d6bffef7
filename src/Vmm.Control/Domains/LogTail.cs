namespace Vmm.Control.Domains;

/// <summary>Passes lines on and remembers the last ones. Thread-safe.</summary>
/// <param name="write">Takes each line.</param>
internal sealed class LogTail(Action<string> write)
{
    /// <summary>How many lines go with an error.</summary>
    public const int LinesOfAnError = 20;

    private const int Most = 1000, MostLineLength = 1000;

    private readonly Lock _gate = new();
    private readonly Queue<string> _lines = new();

    /// <summary>The last lines, the oldest first.</summary>
    public IReadOnlyList<string> Last(int count)
    {
        lock (_gate) return [.. _lines.TakeLast(count)];
    }

    public void Write(string line)
    {
        lock (_gate)
        {
            if (_lines.Count == Most) _lines.Dequeue();
            _lines.Enqueue(line.Length <= MostLineLength ? line : line[..MostLineLength]);
            write(line);
        }
    }
}
