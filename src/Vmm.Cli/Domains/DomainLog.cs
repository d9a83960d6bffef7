using System.Globalization;
using System.Text;
using Vmm.Host;
using Vmm.Host.Serial;

namespace Vmm.Cli.Domains;

/// <summary>
/// What a domain's process says: with the time to a file that is bounded, and until that is open to whoever starts it, too. Thread-safe.
/// </summary>
/// <param name="isQuiet">Who starts it wants to hear nothing.</param>
internal sealed class DomainLog(bool isQuiet) : IDisposable
{
    private const int MostEarlyLines = 100;

    /// <summary>When the file would grow beyond, it is renamed to "….1" and begun anew.</summary>
    public const long MostBytes = 1 << 20;

    private readonly Lock _gate = new();
    private readonly List<string> _early = [];
    private RotatingFile? _file;

    /// <summary>From now on lines go to a file.</summary>
    /// <exception cref="LinuxException">It cannot be opened.</exception>
    public void Open(string path)
    {
        lock (_gate)
        {
            _file ??= new RotatingFile(path, MostBytes);
            foreach (string text in _early) Append(_file, text);
            _early.Clear();
        }
    }

    /// <summary>Takes a line, or several.</summary>
    public void Write(string text)
    {
        lock (_gate)
        {
            if (_file is not null)
            {
                Append(_file, text);
                return;
            }

            if (!isQuiet) StandardError.Note(text);
            if (_early.Count < MostEarlyLines) _early.Add(text);
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
