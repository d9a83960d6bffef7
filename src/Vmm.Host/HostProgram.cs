using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace Vmm.Host;

/// <summary>A program of the host that is run to its end. What it says is kept up to a bound, and what it takes in time, too.</summary>
/// <param name="Path">The program.</param>
/// <param name="Arguments">Its arguments.</param>
public sealed record HostProgram(string Path, IReadOnlyList<string> Arguments)
{
    private const int MostKept = 16 << 10;

    // A daemon that a script leaves behind keeps its pipes open.
    private static readonly TimeSpan DrainTime = TimeSpan.FromSeconds(1);

    private static readonly string[] Folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"];

    /// <summary>What it reads from standard input.</summary>
    public string Input { get; init; } = "";

    /// <summary>Its environment; null for this process's own.</summary>
    public IReadOnlyDictionary<string, string>? Environment { get; init; }

    /// <summary>How long it may take.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Where a program is; null where the host has none.</summary>
    public static string? Find(string name)
    {
        string[] path = System.Environment.GetEnvironmentVariable("PATH")?.Split(':', StringSplitOptions.RemoveEmptyEntries) ?? [];
        // Of a user's PATH the folders of administration are often missing.
        return path.Concat(Folders).Select(folder => System.IO.Path.Combine(folder, name)).FirstOrDefault(File.Exists);
    }

    /// <summary>Runs it, in the network namespace of this thread.</summary>
    /// <exception cref="LinuxException">It cannot be started.</exception>
    public HostProgramResult Run()
    {
        using Process process = Start();
        StringBuilder output = new(), errors = new();
        Thread[] readers = [Drain(process.StandardOutput, output), Drain(process.StandardError, errors)];
        Feed(process);
        bool isEnded = process.WaitForExit(Patience);
        if (!isEnded) End(process);
        foreach (Thread reader in readers) reader.Join(DrainTime);
        return new HostProgramResult(isEnded ? process.ExitCode : null, TextOf(output), TextOf(errors));
    }

    private Process Start()
    {
        ProcessStartInfo info = new(Path, Arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        if (Environment is not null)
        {
            info.Environment.Clear();
            foreach ((string name, string value) in Environment) info.Environment[name] = value;
        }

        try
        {
            return Process.Start(info)!;
        }
        catch (Win32Exception e)
        {
            throw new LinuxException($"{Path} cannot be started: {e.Message}", e);
        }
    }

    private void Feed(Process process)
    {
        try
        {
            process.StandardInput.Write(Input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It does not read it: its exit code says what that means.
        }
    }

    private static Thread Drain(StreamReader from, StringBuilder to)
    {
        Thread thread = new(() =>
        {
            char[] piece = new char[1024];
            try
            {
                while (from.Read(piece) is > 0 and int count)
                {
                    lock (to) to.Append(piece, 0, Math.Min(count, MostKept - to.Length));
                }
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                // Closed from here.
            }
        })
        { IsBackground = true };
        thread.Start();
        return thread;
    }

    private static void End(Process process)
    {
        try
        {
            process.Kill(entireProcessTree: true);
            process.WaitForExit(DrainTime);
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception or AggregateException)
        {
            // It has ended by itself meanwhile.
        }
    }

    private static string TextOf(StringBuilder text)
    {
        lock (text) return text.ToString();
    }
}
