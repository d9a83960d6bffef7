using System.Diagnostics;
using System.Text;

namespace Vmm.TestKit;

/// <summary>Drives a program by its standard streams as a person would: waits for a text, then types.</summary>
public sealed class GuestConsole : IDisposable
{
    private readonly Process _process;
    private readonly ConsoleText _text;
    private readonly StringBuilder _errors = new();

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
        _text = new ConsoleText(Type) { Hint = () => $"\nstandard error: {Errors}" };
        _text.ReadFrom(_process.StandardOutput);
        _process.ErrorDataReceived += (_, line) =>
        {
            lock (_errors) _errors.AppendLine(line.Data);
        };
        _process.BeginErrorReadLine();
    }

    /// <summary>Everything the program wrote to standard output so far.</summary>
    public string Output => _text.Output;

    /// <summary>Everything it wrote to standard error so far.</summary>
    public string Errors
    {
        get
        {
            lock (_errors) return _errors.ToString();
        }
    }

    /// <summary>The running program.</summary>
    public Process Process => _process;

    /// <inheritdoc cref="ConsoleText.Expect"/>
    public string Expect(string text, TimeSpan patience) => _text.Expect(text, patience);

    /// <inheritdoc cref="ConsoleText.SendLine"/>
    public void SendLine(string line) => _text.SendLine(line);

    /// <inheritdoc cref="ConsoleText.RunCommand"/>
    public string RunCommand(string command, TimeSpan patience) => _text.RunCommand(command, patience);

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

    private void Type(string text)
    {
        _process.StandardInput.Write(text);
        _process.StandardInput.Flush();
    }
}
