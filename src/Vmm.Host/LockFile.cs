using System.Runtime.InteropServices;
using Vmm.Host.Native;

namespace Vmm.Host;

/// <summary>An exclusive lock on a file (flock(2)), held until it is disposed or its process is gone, however it went.</summary>
public sealed class LockFile : IDisposable
{
    private const int RetryMilliseconds = 5;

    private readonly LinuxFile _file;

    private LockFile(LinuxFile file) => _file = file;

    /// <summary>Takes the lock if nobody has it; the file is made if it is not there.</summary>
    /// <returns>Null when another has it.</returns>
    /// <exception cref="LinuxException">The file cannot be opened or locked.</exception>
    public static LockFile? TryTake(string path)
    {
        LinuxFile file = LinuxFile.Open(path, Libc.O_RDWR | Libc.O_CREAT | Libc.O_NOFOLLOW);
        if (Libc.FileLock(file.Fd, Libc.LOCK_EX | Libc.LOCK_NB) == 0) return new LockFile(file);
        int errno = Marshal.GetLastPInvokeError();
        file.Dispose();
        return errno == Errno.EAGAIN ? null : throw new LinuxException($"locking {path}", errno);
    }

    /// <summary>Takes the lock, waiting for who has it.</summary>
    /// <exception cref="LinuxException">It was not free in time, or the file cannot be opened or locked.</exception>
    public static LockFile Take(string path, TimeSpan patience)
    {
        long deadline = Environment.TickCount64 + (long)patience.TotalMilliseconds;
        while (true)
        {
            if (TryTake(path) is { } taken) return taken;
            if (Environment.TickCount64 >= deadline) throw new LinuxException($"{path} is locked by another process for more than {patience.TotalSeconds:0} s");
            Thread.Sleep(RetryMilliseconds);
        }
    }

    /// <summary>Whether somebody holds the lock now; false where there is no such file.</summary>
    /// <exception cref="LinuxException">The file cannot be opened.</exception>
    public static bool IsHeld(string path)
    {
        int fd = Libc.Open(path, Libc.O_RDONLY | Libc.O_NOFOLLOW | Libc.O_CLOEXEC, 0);
        if (fd < 0) return Marshal.GetLastPInvokeError() == Errno.ENOENT ? false : throw LinuxException.FromLastError($"opening {path}");
        using LinuxFile file = new(fd);
        return Libc.FileLock(fd, Libc.LOCK_SH | Libc.LOCK_NB) != 0;
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
