using System.Runtime.InteropServices;
using Vmm.Host.Native;

namespace Vmm.Host.Processes;

/// <summary>
/// A process in a session of its own, which outlives the one that starts it and its terminal. It shares standard error with this process
/// until it takes another; standard input is a text, standard output a pipe to here. No other descriptor is handed down.
/// </summary>
public sealed unsafe class DetachedProcess : IDisposable
{
    private const int SignalMask = 0x7f, ExitShift = 8, SignalExit = 128;

    private DetachedProcess(int id, LinuxFile output) => (Id, Output) = (id, output);

    /// <summary>The process's number.</summary>
    public int Id { get; }

    /// <summary>What it writes to standard output; at its end when it has closed that, or is gone.</summary>
    public LinuxFile Output { get; }

    /// <summary>Starts a program.</summary>
    /// <param name="program">The executable.</param>
    /// <param name="arguments">All of them, the program's own name first.</param>
    /// <param name="input">What it reads from standard input.</param>
    /// <exception cref="LinuxException">It cannot be started.</exception>
    public static DetachedProcess Start(string program, IReadOnlyList<string> arguments, ReadOnlySpan<byte> input)
    {
        using LinuxFile stdin = HoldText(input);
        int* ends = stackalloc int[2];
        // SAFETY: two locals that outlive the call.
        if (Libc.Pipe2(ends, Libc.O_CLOEXEC) != 0) throw LinuxException.FromLastError("making a pipe");
        LinuxFile output = new(ends[0]);
        using LinuxFile stdout = new(ends[1]);
        try
        {
            return new DetachedProcess(SessionSpawn.Start(program, arguments, [stdin.Fd, stdout.Fd], kept: [], closesOthers: true), output);
        }
        catch
        {
            output.Dispose();
            throw;
        }
    }

    /// <summary>Waits for the end of the process.</summary>
    /// <returns>Its exit code; 128 and the signal's number where one ended it.</returns>
    public int WaitForExit()
    {
        int status = 0;
        // SAFETY: a local that outlives the call.
        while (Libc.WaitPid(Id, &status, 0) < 0)
        {
            if (Marshal.GetLastPInvokeError() != Errno.EINTR) throw LinuxException.FromLastError("waiting for a process");
        }

        int signal = status & SignalMask;
        return signal != 0 ? SignalExit + signal : (status >> ExitShift) & byte.MaxValue;
    }

    /// <summary>Lets it be; the process goes on.</summary>
    public void Dispose() => Output.Dispose();

    private static LinuxFile HoldText(ReadOnlySpan<byte> text)
    {
        LinuxFile file = LinuxFile.FromResult(Libc.MemfdCreate("input", Libc.MFD_CLOEXEC), "holding a text");
        while (!text.IsEmpty) text = text[file.Write(text)..];
        return Libc.Lseek(file.Fd, 0, Libc.SEEK_SET) == 0 ? file : throw LinuxException.FromLastError("holding a text");
    }
}
