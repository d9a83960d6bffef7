using System.Diagnostics;
using System.Text;

namespace Vmm.TestKit;

/// <summary>Drives a program by its standard streams as a person would: waits for a text, then types.</summary>
public sealed class GuestConsole : IDisposable
{
    private readonly object _gate = new();
    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _errors = new();
    private int _seen;
    private bool _ended;

    /// <summary>Starts a program.</summary>
    public GuestConsole(string program, params IEnumerable<string> arguments)
    {
        ProcessStartInfo start = new(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        _process = Process.Start(start)!;
        StreamReader output = _process.StandardOutput;
        new Thread(() => ReadOutput(output)) { IsBackground = true }.Start();
        _process.ErrorDataReceived += (_, line) =>
        {
            lock (_gate) _errors.AppendLine(line.Data);
        };
        _process.BeginErrorReadLine();
    }

    /// <summary>Everything the program wrote to standard output so far.</summary>
    public string Output
    {
        get
        {
            lock (_gate) return _output.ToString();
        }
    }

    /// <summary>Everything it wrote to standard error so far.</summary>
    public string Errors
    {
        get
        {
            lock (_gate) return _errors.ToString();
        }
    }

    /// <summary>The running program.</summary>
    public Process Process => _process;

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
                if (left <= TimeSpan.Zero || _ended) throw new TimeoutException($"'{text}' did not come; last: {fresh[Math.Max(0, fresh.Length - 2000)..]}\nstandard error: {_errors}");
                Monitor.Wait(_gate, left);
            }
        }
    }

    /// <summary>Types a line.</summary>
    public void SendLine(string line)
    {
        _process.StandardInput.Write(line + "\n");
        _process.StandardInput.Flush();
    }

    /// <summary>Types a command for a shell and waits for its output, which stands between two marks of our own.</summary>
    public string RunCommand(string command, TimeSpan patience)
    {
        // The marks are put together by the shell, so that the echo of what was typed does not hold them.
        SendLine($"echo begin-$((40+2)); {command}; echo end-$((40+2))");
        Expect("begin-42", patience);
        return Expect("end-42", patience).Replace("\r", "", StringComparison.Ordinal).Trim();
    }

    /// <summary>Waits for the end of the program.</summary>
    /// <returns>Its exit code.</returns>
    public int WaitForExit(TimeSpan patience)
    {
        if (!_process.WaitForExit(patience)) throw new TimeoutException($"it does not end; last: {Output[Math.Max(0, Output.Length - 2000)..]}");
        _process.WaitForExit();
        return _process.ExitCode;
    }

    /// <summary>Ends the program if it still runs.</summary>
    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill();
        _process.Dispose();
    }

    private void ReadOutput(StreamReader output)
    {
        char[] buffer = new char[4096];
        int count;
        do
        {
            count = ReadSome(output, buffer);
            lock (_gate)
            {
                _output.Append(buffer, 0, count);
                _ended = count == 0;
                Monitor.PulseAll(_gate);
            }
        }
        while (count != 0);
    }

    private static int ReadSome(StreamReader output, char[] buffer)
    {
        try
        {
            return output.Read(buffer);
        }
        catch (Exception e) when (e is ObjectDisposedException or IOException)
        {
            return 0; // the test is over
        }
    }
}
