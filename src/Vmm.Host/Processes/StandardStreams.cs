using Vmm.Host.Native;

namespace Vmm.Host.Processes;

/// <summary>Where this process's standard streams lead.</summary>
public static class StandardStreams
{
    /// <summary>Lets standard input be empty, and output and error be appended to a file: what a process in the background does.</summary>
    /// <param name="path">The file; made when it does not exist.</param>
    /// <exception cref="LinuxException">It cannot be opened.</exception>
    public static void LeaveTerminal(string path)
    {
        using LinuxFile nothing = LinuxFile.Open("/dev/null", Libc.O_RDONLY);
        using LinuxFile log = LinuxFile.Open(path, Libc.O_WRONLY | Libc.O_CREAT | Libc.O_APPEND);
        foreach ((LinuxFile file, int number) in (ReadOnlySpan<(LinuxFile, int)>)[(nothing, 0), (log, 1), (log, 2)])
        {
            if (Libc.Dup2(file.Fd, number) < 0) throw LinuxException.FromLastError("changing a standard stream");
        }
    }
}
