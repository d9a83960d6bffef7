namespace Vmm.Machine.Config;

/// <summary>One serial port.</summary>
/// <param name="Kind">Its host end.</param>
/// <param name="Path">The file or socket, for the kinds that have one.</param>
public sealed record SerialConfig(SerialKind Kind, string? Path = null)
{
    /// <summary>The forms that <see cref="TryParse"/> takes, for messages.</summary>
    public const string Forms = "stdio, null, pty, file:PATH, append:PATH or unix:PATH";

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

    /// <summary>True for the kinds that name a file or socket.</summary>
    public static bool NeedsPath(SerialKind kind) => kind is SerialKind.File or SerialKind.Append or SerialKind.Unix;
}
