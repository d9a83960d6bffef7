using System.Text.Json;

namespace Vmm.Control.Domains;

/// <summary>The last domains that are gone and why, in a file in which each has a line. Its owner keeps two from writing at once.</summary>
internal sealed class DomainHistory(string path)
{
    private const int Most = 100, MostBytes = 1 << 20;

    /// <summary>The last domains, the one that went first at the beginning. What cannot be read is left out.</summary>
    public IReadOnlyList<DomainRecord> Read()
    {
        try
        {
            FileInfo file = new(path);
            if (!file.Exists || file.Length > MostBytes) return [];
            return [.. File.ReadLines(path).Select(TryParse).OfType<DomainRecord>().TakeLast(Most)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>Adds one. Where that is not possible, it is forgotten: no domain fails because of it.</summary>
    public void Add(DomainRecord record)
    {
        string draft = $"{path}.{Environment.ProcessId}";
        try
        {
            File.WriteAllLines(draft, Read().TakeLast(Most - 1).Append(record).Select(r => JsonSerializer.Serialize(r, DomainJson.Line.DomainRecord)));
            File.Move(draft, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            File.Delete(draft);
        }
    }

    private static DomainRecord? TryParse(string line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, DomainJson.Line.DomainRecord);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
