using System.Text;
using System.Text.Json.Serialization;

namespace Vmm.Machine.Config;

/// <summary>The host end of a serial port or of a console's port.</summary>
/// <param name="Kind">Its kind.</param>
/// <param name="Path">The file or socket, for the kinds that have one.</param>
public sealed record SerialConfig(SerialKind Kind, string? Path = null)
{
    /// <summary>The forms that <see cref="TryParse"/> takes, for messages.</summary>
    public const string Forms = "stdio, null, pty, file:PATH, append:PATH or unix:PATH";

    private const int SocketPathMaxBytes = 107;

    /// <summary>The least bound of a log.</summary>
    public const ulong LeastLogBytes = 64 << 10;

    /// <summary>A file to which all output is appended, beside the line itself; null for none.</summary>
    public string? Log { get; init; }

    /// <summary>When the log would grow beyond, it is renamed to "….1" and begun anew; 0 for no bound.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public ulong LogMaxBytes { get; init; }

    /// <summary>Reads "stdio", "file:PATH" and so on.</summary>
    public static bool TryParse(string text, out SerialConfig config)
    {
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        string kind = colon < 0 ? text : text[..colon];
        string? path = colon < 0 ? null : text[(colon + 1)..];
        SerialKind? found = kind switch
        {
            "stdio" => SerialKind.Stdio,
            "null" => SerialKind.Null,
            "pty" => SerialKind.Pty,
            "file" => SerialKind.File,
            "append" => SerialKind.Append,
            "unix" => SerialKind.Unix,
            _ => null,
        };
        config = new SerialConfig(found ?? SerialKind.Null, path);
        return found is not null && NeedsPath(found.Value) == !string.IsNullOrEmpty(path);
    }

    /// <summary>Reads "unix:PATH,log=FILE,log-max=SIZE"; two commas stand for one in a path.</summary>
    /// <param name="path">Where it stands, for messages: "serial[0]".</param>
    /// <param name="text">The words.</param>
    /// <param name="errors">Takes the mistakes.</param>
    public static SerialConfig Parse(string path, string text, List<ConfigError> errors)
    {
        SerialConfig config = Parse(path, text, errors, out OptionText keys);
        keys.Finish();
        return config;
    }

    /// <summary>As above, for who knows more keys and finishes them.</summary>
    internal static SerialConfig Parse(string path, string text, List<ConfigError> errors, out OptionText keys)
    {
        string where = OptionText.SplitFirst(text, out string rest);
        if (!TryParse(where, out SerialConfig config)) errors.Add(new(path, $"'{where}' is none of {Forms}"));
        keys = new OptionText(path, rest, errors);
        return config with { Log = keys.Take("log"), LogMaxBytes = keys.TakeSize("log-max") ?? 0 };
    }

    /// <summary>True for the kinds that name a file or socket.</summary>
    public static bool NeedsPath(SerialKind kind) => kind is SerialKind.File or SerialKind.Append or SerialKind.Unix;

    /// <summary>Finds what is wrong with it alone.</summary>
    internal void Check(string path, List<ConfigError> errors)
    {
        if (NeedsPath(Kind) && string.IsNullOrEmpty(Path)) errors.Add(new(path, "the path is missing"));
        if (Kind == SerialKind.Unix && Encoding.UTF8.GetByteCount(Path ?? "") > SocketPathMaxBytes)
            errors.Add(new(path, $"a socket path has at most {SocketPathMaxBytes} bytes"));
        if (Log is "") errors.Add(new($"{path}.log", "the path is empty"));
        if (LogMaxBytes != 0 && Log is null) errors.Add(new($"{path}.log-max", "is nothing without log"));
        if (LogMaxBytes is not 0 and < LeastLogBytes or > long.MaxValue) errors.Add(new($"{path}.log-max", $"is at least {SizeText.Format(LeastLogBytes)}"));
    }

    /// <summary>Whether both cannot be at once, because they use the same terminal, file or socket.</summary>
    /// <param name="other">The other one.</param>
    /// <param name="hasTerminal">Whether there is a terminal; else each end that asks for it gets something of its own.</param>
    internal bool Collides(SerialConfig other, bool hasTerminal)
    {
        if (hasTerminal && Kind == SerialKind.Stdio && other.Kind == SerialKind.Stdio) return true;
        string?[] mine = [Path, Log], others = [other.Path, other.Log];
        return mine.Any(path => path is not null && others.Contains(path));
    }
}
