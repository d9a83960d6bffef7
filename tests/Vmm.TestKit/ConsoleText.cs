using System.Diagnostics;
using System.Text;

namespace Vmm.TestKit;

/// <summary>Reads a terminal as a person would: waits for a text, then types.</summary>
/// <param name="type">Types text.</param>
public sealed class ConsoleText(Action<string> type)
{
    private readonly object _gate = new();
    private readonly StringBuilder _output = new();
    private int _seen;
    private bool _ended;

    /// <summary>Everything that came so far.</summary>
    public string Output
    {
        get
        {
            lock (_gate) return _output.ToString();
        }
    }

    /// <summary>Added to the message when an expectation fails.</summary>
    public Func<string> Hint { get; init; } = () => "";

    /// <summary>Reads to the end, on a thread of its own.</summary>
    public void ReadFrom(TextReader reader) => new Thread(() => Read(reader)) { IsBackground = true }.Start();

    /// <summary>Waits for a text behind what was expected before.</summary>
    /// <returns>What came in between.</returns>
    /// <exception cref="TimeoutException">It did not come; the message holds the last output.</exception>
    public string Expect(string text, TimeSpan patience)
    {
        Stopwatch watch = Stopwatch.StartNew();
        lock (_gate)
        {
            while (true)
            {
                string fresh = _output.ToString(_seen, _output.Length - _seen);
                int at = fresh.IndexOf(text, StringComparison.Ordinal);
                if (at >= 0)
                {
                    _seen += at + text.Length;
                    return fresh[..at];
                }

                TimeSpan left = patience - watch.Elapsed;
                if (left <= TimeSpan.Zero || _ended) throw new TimeoutException($"'{text}' did not come; last: {fresh[Math.Max(0, fresh.Length - 2000)..]}{Hint()}");
                Monitor.Wait(_gate, left);
            }
        }
    }

    /// <summary>Types a line.</summary>
    public void SendLine(string line) => type(line + "\n");

    /// <summary>Types a command for a shell and waits for its output, which stands between two marks of our own.</summary>
    public string RunCommand(string command, TimeSpan patience)
    {
        // The marks are put together by the shell, so that the echo of what was typed does not hold them.
        SendLine($"echo begin-$((40+2)); {command}; echo end-$((40+2))");
        Expect("begin-42", patience);
        return Expect("end-42", patience).Replace("\r", "", StringComparison.Ordinal).Trim();
    }

    private void Read(TextReader reader)
    {
        char[] buffer = new char[4096];
        int count;
        do
        {
            count = ReadSome(reader, buffer);
            lock (_gate)
            {
                _output.Append(buffer, 0, count);
                _ended = count == 0;
                Monitor.PulseAll(_gate);
            }
        }
        while (count != 0);
    }

    private static int ReadSome(TextReader reader, char[] buffer)
    {
        try
        {
            return reader.Read(buffer);
        }
        catch (Exception e) when (e is ObjectDisposedException or IOException)
        {
            return 0; // the test is over
        }
    }
}
