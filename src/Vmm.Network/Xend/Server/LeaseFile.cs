using Vmm.Core.Time;

namespace Vmm.Network.Xend.Server;

/// <summary>Remembers who has which address, so that a server that is started again gives no one another's.</summary>
internal sealed class LeaseFile : IDisposable
{
    private const int MostLines = 1024;

    // Guests can ask as often as they like: that must not keep the host's disk busy.
    private const long WriteEveryNs = 1_000_000_000;

    private readonly string _path;
    private readonly IClock _clock;
    private readonly Action<string> _note;
    private readonly IClockTimer _timer;
    private long _mayWriteNs;
    private bool _isDirty;

    private readonly Dictionary<Ipv4Address, string> _leases = [];
    private bool _isBroken;

    public LeaseFile(string path, IClock clock, Action<string> note)
    {
        (_path, _clock, _note) = (path, clock, note);
        _timer = clock.CreateTimer(Write);
    }

    /// <summary>How often the file was written.</summary>
    public int Writes { get; private set; }

    public IEnumerable<(Ipv4Address Address, byte[] Identity)> Load()
    {
        try
        {
            foreach (string line in File.Exists(_path) ? File.ReadLines(_path).Take(MostLines).ToArray() : [])
            {
                string[] words = line.Split(' ');
                if (words.Length == 2 && Ipv4Address.TryParse(words[0], out Ipv4Address address) && words[1].Length % 2 == 0 && words[1].All(char.IsAsciiHexDigit)) _leases[address] = words[1];
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _note($"{_path}: {e.Message}");
        }

        return _leases.Select(pair => (pair.Key, Convert.FromHexString(pair.Value)));
    }

    public void Save(Ipv4Address address, ReadOnlySpan<byte> identity)
    {
        string text = Convert.ToHexString(identity);
        if (_leases.GetValueOrDefault(address) == text) return;
        _leases[address] = text;
        if (_isDirty) return;
        _isDirty = true;
        if (_clock.NowNs >= _mayWriteNs) Write();
        else _timer.Arm(_mayWriteNs);
    }

    public void Dispose()
    {
        _timer.Dispose();
        Write();
    }

    private void Write()
    {
        if (!_isDirty) return;
        _isDirty = false;
        _mayWriteNs = _clock.NowNs + WriteEveryNs;
        Writes++;
        try
        {
            File.WriteAllLines(_path + ".new", _leases.Take(MostLines).Select(pair => $"{pair.Key} {pair.Value}"));
            File.Move(_path + ".new", _path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Said once.
            if (!_isBroken) _note($"{_path}: {e.Message}");
            _isBroken = true;
        }
    }
}
