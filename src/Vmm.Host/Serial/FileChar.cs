using Vmm.Core.Backends;
using Vmm.Host.Native;

namespace Vmm.Host.Serial;

/// <summary>Writes what a guest sends to a file. There is no input.</summary>
public sealed class FileChar : ICharBackend
{
    private const int BufferBytes = 256 * 1024;

    private readonly LinuxFile _file;
    private readonly OutputThread _output;

    /// <param name="path">The file; made when it does not exist.</param>
    /// <param name="append">Keep what it holds; else it is emptied.</param>
    /// <param name="report">Takes one line when bytes are dropped or writing fails.</param>
    /// <exception cref="LinuxException">It cannot be opened.</exception>
    public FileChar(string path, bool append, Action<string> report)
    {
        // Non-blocking for the open only: a FIFO without a reader is an error then, not a wait.
        int flags = Libc.O_WRONLY | Libc.O_CREAT | Libc.O_NOCTTY | Libc.O_NONBLOCK | (append ? Libc.O_APPEND : Libc.O_TRUNC);
        _file = LinuxFile.Open(path, flags);
        _file.SetNonBlocking(false);
        _output = new OutputThread($"serial file {path}", _file.Write, BufferBytes, report);
    }

    /// <summary>Bytes that were lost because the file took them too slowly.</summary>
    public long DroppedBytes => _output.DroppedBytes;

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> data) => _output.Write(data);

    /// <inheritdoc/>
    public void Attach(ICharReceiver receiver) { }

    /// <inheritdoc/>
    public void ReceiverReady() { }

    /// <inheritdoc/>
    public void Dispose()
    {
        _output.Dispose();
        _file.Dispose();
    }
}
