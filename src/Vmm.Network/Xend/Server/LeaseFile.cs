namespace Vmm.Network.Xend.Server;

/// <summary>Remembers who has which address, so that a server that is started again gives no one another's.</summary>
internal sealed class LeaseFile(string path, Action<string> note)
{
    private const int MostLines = 1024;

    private readonly Dictionary<Ipv4Address, string> _leases = [];
    private bool _isBroken;

    public IEnumerable<(Ipv4Address Address, byte[] Identity)> Load()
    {
        try
        {
            foreach (string line in File.Exists(path) ? File.ReadLines(path).Take(MostLines).ToArray() : [])
            {
                string[] words = line.Split(' ');
                if (words.Length == 2 && Ipv4Address.TryParse(words[0], out Ipv4Address address) && words[1].Length % 2 == 0 && words[1].All(char.IsAsciiHexDigit)) _leases[address] = words[1];
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            note($"{path}: {e.Message}");
        }

        return _leases.Select(pair => (pair.Key, Convert.FromHexString(pair.Value)));
    }

    public void Save(Ipv4Address address, ReadOnlySpan<byte> identity)
    {
        string text = Convert.ToHexString(identity);
        if (_leases.GetValueOrDefault(address) == text) return;
        _leases[address] = text;
        try
        {
            File.WriteAllLines(path + ".new", _leases.Take(MostLines).Select(pair => $"{pair.Key} {pair.Value}"));
            File.Move(path + ".new", path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Said once: guests can ask as often as they like.
            if (!_isBroken) note($"{path}: {e.Message}");
            _isBroken = true;
        }
    }
}
