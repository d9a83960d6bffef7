using Vmm.Host.Native;

namespace Vmm.Host.Serial;

/// <summary>
/// A log file that is appended to. With a bound it is renamed to "….1", instead of the one before, when it would grow beyond, and begun anew: so
/// there are never more than two of that size. One thread at a time.
/// </summary>
public sealed unsafe class RotatingFile : IDisposable
{
    private readonly string _path;
    private readonly long _mostBytes;
    private LinuxFile _file;
    private long _size;

    /// <param name="path">The file; made when it does not exist.</param>
    /// <param name="mostBytes">The most bytes of it; 0 for no bound.</param>
    /// <exception cref="LinuxException">It cannot be opened, or has a bound and is no regular file.</exception>
    public RotatingFile(string path, long mostBytes)
    {
        (_path, _mostBytes) = (path, mostBytes);
        _file = Open();
        if (mostBytes == 0) return;
        Libc.Stat facts;
        // SAFETY: a local that outlives the call.
        bool isRegular = Libc.Fstat(_file.Fd, &facts) == 0 && (facts.Mode & Libc.S_IFMT) == Libc.S_IFREG;
        _size = facts.SizeBytes;
        if (isRegular) return;
        // A device would be renamed.
        _file.Dispose();
        throw new LinuxException($"opening {path}: a log with a bound must be a regular file");
    }

    /// <summary>Appends bytes, possibly fewer than given.</summary>
    /// <exception cref="LinuxException">The host refused.</exception>
    public int Write(ReadOnlySpan<byte> data)
    {
        if (_mostBytes != 0 && _size != 0 && _size + data.Length > _mostBytes) Rotate();
        int count = _file.Write(data);
        if (count > 0) _size += count;
        return count;
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private void Rotate()
    {
        try
        {
            File.Move(_path, _path + ".1", overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LinuxException($"renaming {_path}: {e.Message}", e);
        }

        _file.Dispose();
        _file = Open();
        _size = 0;
    }

    private LinuxFile Open()
    {
        // Non-blocking for the open only: a FIFO without a reader is an error then, not a wait.
        LinuxFile file = LinuxFile.Open(_path, Libc.O_WRONLY | Libc.O_CREAT | Libc.O_NOCTTY | Libc.O_NONBLOCK | Libc.O_APPEND);
        file.SetNonBlocking(false);
        return file;
    }
}
