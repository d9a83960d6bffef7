using System.Globalization;
using System.Text;
using Vmm.Host;
using Vmm.Host.Serial;

namespace Vmm.Cli.Domains;

/// <summary>
/// What a domain's process says: first to whoever starts it, then with the time to a file that is bounded. Thread-safe.
/// </summary>
internal sealed class DomainLog : IDisposable
{
    /// <summary>When the file would grow beyond, it is renamed to "….1" and begun anew.</summary>
    public const long MostBytes = 1 << 20;

    private readonly Lock _gate = new();
    private RotatingFile? _file;

    /// <summary>From now on lines go to a file.</summary>
    /// <exception cref="LinuxException">It cannot be opened.</exception>
    public void Open(string path)
    {
        lock (_gate) _file ??= new RotatingFile(path, MostBytes);
    }

    /// <summary>Takes a line, or several.</summary>
    public void Write(string text)
    {
        lock (_gate)
        {
            if (_file is null) StandardError.Note(text);
            else Append(_file, text);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate) _file?.Dispose();
    }

    private static void Append(RotatingFile file, string text)
    {
        string time = DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
        try
        {
            foreach (string line in text.Split('\n')) file.Write(Encoding.UTF8.GetBytes($"{time} {line.TrimEnd('\r')}\n"));
        }
        catch (LinuxException)
        {
            // The disk is full, or the folder is gone: the guest goes on.
        }
    }
}
