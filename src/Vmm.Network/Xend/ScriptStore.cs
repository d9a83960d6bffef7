using Vmm.Host;

namespace Vmm.Network.Xend;

/// <summary>What hook scripts take for xenstore: paths and values in one file, a line for each. A path that does not begin with a slash is the host's.</summary>
/// <param name="path">The file.</param>
internal sealed class ScriptStore(string path)
{
    /// <summary>Tells the programs where the file is.</summary>
    public const string Variable = "VMM_XENSTORE";

    // Scripts write a handful of values.
    private const int MostValues = 1000, MostBytes = 1 << 20;
    private const string Host = "/local/domain/0/";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>A value; null where there is none.</summary>
    public string? Read(string key) => Load().GetValueOrDefault(Full(key));

    /// <summary>The names under a path.</summary>
    public IReadOnlyList<string> List(string key)
    {
        string begin = Full(key).TrimEnd('/') + "/";
        return [.. Load().Keys.Where(k => k.StartsWith(begin, StringComparison.Ordinal)).Select(k => k[begin.Length..].Split('/')[0]).Distinct().Order(StringComparer.Ordinal)];
    }

    /// <summary>Writes values, all or none.</summary>
    /// <returns>False when there are too many.</returns>
    public bool Write(params (string Key, string Value)[] values) => Change(all =>
    {
        foreach ((string key, string value) in values) all[Full(key)] = value;
        return all.Count <= MostValues;
    });

    /// <summary>Removes a path and all under it.</summary>
    /// <returns>False when there is nothing.</returns>
    public bool Remove(string key) => Change(all =>
    {
        string full = Full(key);
        string[] gone = [.. all.Keys.Where(k => k == full || k.StartsWith(full + "/", StringComparison.Ordinal))];
        foreach (string name in gone) all.Remove(name);
        return gone.Length != 0;
    });

    private bool Change(Func<Dictionary<string, string>, bool> change)
    {
        using LockFile only = LockFile.Take(path + ".lock", Patience);
        Dictionary<string, string> all = Load();
        if (!change(all)) return false;
        string text = string.Concat(all.Select(pair => $"{Uri.EscapeDataString(pair.Key)} {Uri.EscapeDataString(pair.Value)}\n"));
        if (text.Length > MostBytes) return false;
        File.WriteAllText(path + ".new", text);
        File.Move(path + ".new", path, overwrite: true);
        return true;
    }

    private Dictionary<string, string> Load()
    {
        Dictionary<string, string> all = [];
        try
        {
            foreach (string line in File.ReadLines(path).Take(MostValues))
            {
                int space = line.IndexOf(' ', StringComparison.Ordinal);
                if (space > 0) all[Uri.UnescapeDataString(line[..space])] = Uri.UnescapeDataString(line[(space + 1)..]);
            }
        }
        catch (FileNotFoundException)
        {
            // Nothing has been written yet.
        }

        return all;
    }

    private static string Full(string key) => key.StartsWith('/') ? key : Host + key;
}
