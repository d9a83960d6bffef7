using System.Runtime.InteropServices;
using Vmm.Host.Native;

namespace Vmm.Host.Processes;

/// <summary>
/// A process that this one started and ends with, in a session of its own, so that a terminal's signals do not reach it. It gets the
/// descriptors that are named, under the same numbers, and no others but standard output and error; its standard input is empty.
/// </summary>
public sealed unsafe class ChildProcess : IDisposable
{
    private const int SignalMask = 0x7f, ExitShift = 8;

    private readonly Lock _gate = new();
    private bool _isOver;

    /// <param name="program">The executable.</param>
    /// <param name="arguments">All of them, the program's own name first.</param>
    /// <param name="descriptors">What it inherits.</param>
    /// <param name="output">Its standard output and error; null for those of this process.</param>
    /// <exception cref="LinuxException">It cannot be started.</exception>
    public ChildProcess(string program, IReadOnlyList<string> arguments, ReadOnlySpan<int> descriptors, LinuxFile? output = null)
    {
        using LinuxFile nothing = LinuxFile.Open("/dev/null", Libc.O_RDONLY);
        ReadOnlySpan<int> standard = output is null ? [nothing.Fd] : [nothing.Fd, output.Fd, output.Fd];
        Id = SessionSpawn.Start(program, arguments, standard, descriptors, closesOthers: false);
    }

    /// <summary>Its number.</summary>
    public int Id { get; }

    /// <summary>How it ended, in words; null while it has not.</summary>
    public string? End { get; private set; }

    /// <summary>It has ended.</summary>
    public bool HasEnded => Reap(Libc.WNOHANG);

    /// <summary>Ends it at once, and waits.</summary>
    public void Kill()
    {
        lock (_gate)
        {
            // As long as it is not reaped, the number can be nobody else's.
            if (_isOver) return;
            const int SIGKILL = 9;
            _ = Libc.Kill(Id, SIGKILL);
            Reap(0);
        }
    }

    /// <summary>Waits for its end; ends it when that takes too long.</summary>
    public void WaitOrKill(TimeSpan patience)
    {
        if (!SpinWait.SpinUntil(() => HasEnded, patience)) Kill();
    }

    /// <inheritdoc/>
    public void Dispose() => Kill();

    private bool Reap(int options)
    {
        lock (_gate)
        {
            int status = 0;
            while (!_isOver)
            {
                // SAFETY: a local that outlives the call.
                int result = Libc.WaitPid(Id, &status, options);
                if (result < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR) continue;
                if (result == 0) break;
                _isOver = true;
                End = (status & SignalMask) != 0 ? $"signal {status & SignalMask}" : $"exit code {(status >> ExitShift) & byte.MaxValue}";
            }

            return _isOver;
        }
    }
}
