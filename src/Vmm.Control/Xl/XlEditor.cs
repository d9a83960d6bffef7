using System.Text;

namespace Vmm.Control.Xl;

/// <summary>Changes settings in a configuration file and leaves all the rest, comments too, as it stands.</summary>
/// <param name="file">The text's name.</param>
/// <param name="text">A text without mistakes.</param>
public sealed class XlEditor(string file, string text)
{
    private readonly Dictionary<string, string> _changes = new(StringComparer.Ordinal);

    /// <summary>Sets a key to a value that is written as it is to stand: "5", or what the methods here give.</summary>
    public void Set(string key, string value) => _changes[key] = value;

    /// <summary>A text in quotes.</summary>
    public static string Quoted(string text) => $"\"{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";

    /// <summary>A list of texts.</summary>
    public static string ListOf(IEnumerable<string> texts) => $"[ {string.Join(", ", texts.Select(Quoted))} ]";

    /// <summary>The changed text: a key's first setting becomes the new one, further ones go, one that was not there comes at the end.</summary>
    public override string ToString()
    {
        List<XlSpan> spans = [];
        XlParser.Parse(file, text, [], spans);
        StringBuilder changed = new();
        HashSet<string> done = [];
        int at = 0;
        foreach (XlSpan span in spans)
        {
            if (!_changes.TryGetValue(span.Key, out string? value)) continue;
            changed.Append(text, at, span.Start - at);
            if (done.Add(span.Key)) changed.Append(span.Key).Append(" = ").Append(value);
            at = span.End;
        }

        changed.Append(text, at, text.Length - at);
        if (changed.Length != 0 && changed[^1] != '\n') changed.Append('\n');
        foreach ((string key, string value) in _changes.Where(c => !done.Contains(c.Key))) changed.Append(key).Append(" = ").Append(value).Append('\n');
        return changed.ToString();
    }
}
