using System.Text.Json.Nodes;
using Vmm.Control.Domains;
using Vmm.Control.Xl;

namespace Vmm.Control.Tests.Xl;

/// <summary>
/// A configuration file with what must become of it. In the files of cases a title stands in brackets, then the configuration, then behind "&gt;&gt;"
/// each mistake, each warning, and each value of the domain (as JSON) in which it differs from that of the least file, and a device from the plainest
/// of its kind. A line "~" is the least file, "␍" a carriage return.
/// </summary>
/// <param name="Title">What it is about.</param>
/// <param name="Input">The configuration.</param>
/// <param name="Expected">The results in their order.</param>
internal sealed record XlCase(string Title, string Input, string[] Expected)
{
    private const string Mark = ">> ", Name = "x.cfg", LeastMark = "~", Least = "name='a'; kernel='/k'";

    private const string Plain = Least + "; disk=['/a,raw,xvda']; vif=['bridge=b']; p9=['tag=a,path=/a']; serial='pty'";

    private static readonly Dictionary<string, string> PlainValues = Flatten(BuildOf(Plain, [], []).Config!, hasUuid: false);
    private static readonly Dictionary<string, string> LeastValues = Flatten(BuildOf(Least, [], []).Config!, hasUuid: false);

    /// <summary>What becomes of it.</summary>
    public string[] Actual
    {
        get
        {
            List<string> lines = [];
            (DomainConfig? config, bool hasUuid) = BuildOf(Input.Replace($"{LeastMark}\n", $"{Least}\n", StringComparison.Ordinal).Replace('␍', '\r'), lines, lines);
            if (config is null) return [.. lines];
            Dictionary<string, string> values = Flatten(config, hasUuid);
            lines.AddRange(values.Where(v => !IsUsual(v.Key, v.Value)).Select(v => $"{v.Key} = {v.Value}"));
            lines.AddRange(LeastValues.Keys.Where(k => !values.ContainsKey(k)).Select(k => $"no {k}"));
            return [.. lines];
        }
    }

    /// <summary>The cases of a file.</summary>
    public static IEnumerable<XlCase> Read(string path)
    {
        string title = "";
        List<string> input = [], expected = [];
        foreach (string line in File.ReadLines(path).Append("[end]"))
        {
            if (line.StartsWith(Mark, StringComparison.Ordinal))
            {
                expected.Add(line[Mark.Length..]);
            }
            else if (line.StartsWith('[') && line.EndsWith(']'))
            {
                if (title.Length != 0) yield return new XlCase(title, string.Concat(input.Select(l => l + "\n")), [.. expected]);
                title = line[1..^1];
                input.Clear();
                expected.Clear();
            }
            else
            {
                input.Add(line);
            }
        }
    }

    /// <summary>The case with what becomes of it, as it stands in a file.</summary>
    public string ToText() => $"[{Title}]\n{Input}{string.Concat(Actual.Select(line => $"{Mark}{line}\n"))}";

    // What every device says of itself is left out, but for its name.
    private static bool IsUsual(string key, string value)
    {
        if (LeastValues.TryGetValue(key, out string? least)) return least == value;
        int open = key.IndexOf('[', StringComparison.Ordinal), close = key.IndexOf(']', StringComparison.Ordinal);
        return open > 0 && !key.EndsWith("].id", StringComparison.Ordinal) && PlainValues.GetValueOrDefault($"{key[..open]}[0]{key[(close + 1)..]}") == value;
    }

    private static (DomainConfig? Config, bool HasUuid) BuildOf(string text, List<string> errors, List<string> warnings)
    {
        XlDocument document = new();
        IReadOnlyList<XlError> mistakes = document.Read(Name, text), named = [];
        DomainConfig? config = mistakes.Count == 0 ? XlDomain.Build(document, Name, out mistakes, out named) : null;
        errors.AddRange(mistakes.Select(m => $"error {m.ToString()[(Name.Length + 1)..]}"));
        warnings.AddRange(named.Select(m => $"warning {m.ToString()[(Name.Length + 1)..]}"));
        return (config, document.Find("uuid") is not null);
    }

    private static Dictionary<string, string> Flatten(DomainConfig config, bool hasUuid)
    {
        Dictionary<string, string> values = [];
        Add(JsonNode.Parse(config.ToJson().GetRawText()), "");
        if (!hasUuid) values.Remove("uuid");
        return values;

        void Add(JsonNode? node, string path)
        {
            switch (node)
            {
                case JsonObject o:
                    foreach ((string key, JsonNode? value) in o) Add(value, path.Length == 0 ? key : $"{path}.{key}");
                    break;
                case JsonArray a:
                    for (int i = 0; i < a.Count; i++) Add(a[i], $"{path}[{i}]");
                    break;
                default:
                    values[path] = node?.ToJsonString() ?? "null";
                    break;
            }
        }
    }
}
