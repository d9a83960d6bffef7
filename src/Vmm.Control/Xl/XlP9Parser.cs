using Vmm.Core.Text;
using Vmm.Machine.Config;

namespace Vmm.Control.Xl;

/// <summary>Reads an entry of xl's <c>p9</c> list: a directory that the guest mounts (xl.cfg(5)).</summary>
internal static class XlP9Parser
{
    private static readonly string[] Keys = ["tag", "path", "security_model", "backend"];
    private static readonly string[] Elsewhere = ["type", "max-space", "max-files", "max-open-files", "auto-delete"];

    /// <summary>Reads an entry.</summary>
    /// <param name="text">The entry.</param>
    /// <param name="index">Its place among the shares.</param>
    /// <param name="error">What is wrong with it; null when it is good.</param>
    public static ShareConfig? Parse(string text, int index, out string? error)
    {
        Dictionary<string, string> values = new(StringComparer.Ordinal);
        foreach (string item in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            int at = item.IndexOf('=', StringComparison.Ordinal);
            string key = at < 0 ? item : item[..at].TrimEnd();
            error = at < 0 ? $"'{item}' is no key=value"
                : Elsewhere.Contains(key) ? $"'{key}' is refused: it is for Xen's own 9p daemon"
                : !Keys.Contains(key) ? $"there is no key '{key}'; did you mean '{Spelling.Nearest(key, Keys)}'?"
                : !values.TryAdd(key, item[(at + 1)..].TrimStart()) ? $"'{key}' is given more than once"
                : null;
            if (error is not null) return null;
        }

        error = Check(values);
        return error is not null ? null : new ShareConfig { Id = $"p9-{index}", Tag = values["tag"], Path = values["path"] };
    }

    private static string? Check(Dictionary<string, string> values)
    {
        if (!values.ContainsKey("tag")) return "the tag is missing: the name by which the guest mounts it";
        if (!values.ContainsKey("path")) return "the path is missing: the directory to share";
        if (values.GetValueOrDefault("security_model") is { } model && model is not ("none" or "passthrough"))
            return $"security_model '{model}' is none of none, passthrough";
        return values.GetValueOrDefault("backend") is not (null or "0" or "Domain-0") ? "shares are served by Domain-0 only" : null;
    }
}
