using Vmm.Core.Text;

namespace Vmm.Control.Xl;

/// <summary>
/// Reads an entry of xl's <c>disk</c> list: positional parameters (target, format, vdev, access), named ones, flags, the old prefixes; a
/// <c>target=</c> takes all the rest of the text (xl-disk-configuration).
/// </summary>
internal sealed class XlDiskParser
{
    private const string Devices = "hda to hdd, sda to sdp, xvda and so on, each with a partition's number or without, or dNpM";

    private static readonly string[] Positions = ["target", "format", "vdev", "access"];
    private static readonly string[] Keys = ["target", "format", "vdev", "access", "devtype", "backend", "backendtype", "script", "specification"];
    private static readonly string[] Flags = ["cdrom", "discard", "no-discard", "direct-io-safe", "trusted", "untrusted", "backing"];
    private static readonly string[] Formats = ["raw", "qcow", "qcow2", "vhd", "qed", "vmdk", "empty"];
    private static readonly string[] PlainPrefixes = ["tapdisk", "tap", "tap2", "aio", "ioemu", "file", "phy"];
    private static readonly string[] FormatPrefixes = ["raw", "qcow", "qcow2", "vhd"];
    private static readonly string[] ScriptPrefixes = ["iscsi", "nbd", "enbd", "drbd"];

    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);
    private readonly HashSet<string> _flags = new(StringComparer.Ordinal);
    private int _position;
    private string? _error;

    private XlDiskParser() { }

    /// <summary>Reads an entry.</summary>
    /// <param name="text">The entry.</param>
    /// <param name="error">What is wrong with it; null when it is good.</param>
    public static XlDiskSpec? Parse(string text, out string? error)
    {
        XlDiskParser parser = new();
        parser.Split(text);
        XlDiskSpec? spec = parser._error is null ? parser.Build() : null;
        error = parser._error;
        return spec;
    }

    private void Split(string text)
    {
        int at = 0;
        while (_error is null && at <= text.Length)
        {
            while (at < text.Length && char.IsWhiteSpace(text[at])) at++;
            if (text.AsSpan(at).StartsWith("target=", StringComparison.Ordinal))
            {
                Set("target", text[(at + "target=".Length)..]);
                return;
            }

            int end = text.IndexOf(',', at);
            if (end < 0) end = text.Length;
            Parameter(text[at..end].TrimEnd());
            at = end + 1;
        }
    }

    private void Parameter(string text)
    {
        int equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals > 0 && IsName(text.AsSpan(0, equals)))
        {
            string key = text[..equals];
            if (Keys.Contains(key)) Set(key, text[(equals + 1)..]);
            else _error = $"there is no key '{key}'; did you mean '{Spelling.Nearest(key, Keys)}'?";
        }
        else if (Flags.Contains(text))
        {
            if (!_flags.Add(text)) _error = $"'{text}' is given more than once";
        }
        else if (_position == Positions.Length)
        {
            if (text.Length != 0) _error = $"'{text}' is one too many: {string.Join(", ", Positions)} stand by position";
        }
        else
        {
            string key = Positions[_position++];
            if (text.Length != 0) Position(key, text);
        }
    }

    private void Position(string key, string text)
    {
        switch (key)
        {
            case "target":
                StripPrefixes(text);
                break;
            // The old form has no format: "phy:/dev/x,hda,w".
            case "format" when !Formats.Contains(text) && XlVirtualDevice.TryParse(DeviceOf(text), out _):
                _position = 3;
                Device(text);
                break;
            case "vdev":
                Device(text);
                break;
            default:
                Set(key, text);
                break;
        }
    }

    private void StripPrefixes(string text)
    {
        while (text.IndexOf(':', StringComparison.Ordinal) is > 0 and int colon)
        {
            string prefix = text[..colon];
            if (FormatPrefixes.Contains(prefix)) Set("format", prefix);
            else if (ScriptPrefixes.Contains(prefix)) Set("script", $"block-{prefix}");
            else if (!PlainPrefixes.Contains(prefix)) break;
            text = text[(colon + 1)..];
            if (ScriptPrefixes.Contains(prefix)) break;
        }

        if (text.Length != 0) Set("target", text);
    }

    private static string DeviceOf(string text) => text.EndsWith(":cdrom", StringComparison.Ordinal) ? text[..^":cdrom".Length] : text;

    private void Device(string text)
    {
        string device = DeviceOf(text);
        if (device.Length != text.Length) _flags.Add("cdrom");
        Set("vdev", device);
    }

    private void Set(string key, string value)
    {
        if (!_values.TryAdd(key, value)) _error ??= $"'{key}' is given more than once";
    }

    private XlDiskSpec? Build()
    {
        bool isCdrom = _flags.Contains("cdrom") || Take("devtype") is "cdrom";
        if (_values.GetValueOrDefault("devtype") is { } type && type is not ("cdrom" or "disk")) return Refuse($"devtype '{type}' is none of disk, cdrom");
        if (!_values.TryGetValue("vdev", out string? name)) return Refuse($"the vdev is missing: {Devices}");
        if (!XlVirtualDevice.TryParse(name, out XlVirtualDevice? device)) return Refuse($"'{name}' is no vdev; {Devices} are");
        string format = Take("format") ?? "raw";
        if (!Formats.Contains(format)) return Refuse($"'{format}' is no format; {string.Join(", ", Formats)} are");
        if (!TryAccess(isCdrom, out bool isReadOnly)) return null;
        if (_flags.Contains("discard") && _flags.Contains("no-discard")) return Refuse("discard and no-discard contradict each other");
        string? target = format == "empty" || Take("target") is not { Length: > 0 } path ? null : path;
        if (target is null && !isCdrom) return Refuse("the target is missing: only a CD drive can be empty");
        if (Take("specification") is { } specification && specification is not ("xen" or "virtio")) return Refuse($"specification '{specification}' is none of xen, virtio");
        if (Take("backendtype") is { } kind && kind is not ("phy" or "qdisk" or "tap" or "standalone")) return Refuse($"backendtype '{kind}' is none of phy, qdisk, tap, standalone");
        return new XlDiskSpec
        {
            Target = target is null || Take("script") is not null || target.StartsWith('/') ? target : $"/dev/{target}",
            Format = format == "empty" ? "raw" : format,
            Device = device,
            IsReadOnly = isReadOnly,
            IsCdrom = isCdrom,
            Discard = _flags.Contains("discard") ? true : _flags.Contains("no-discard") ? false : null,
            Script = Take("script"),
            Backend = Take("backend"),
            BackendType = Take("backendtype"),
            Specification = Take("specification"),
            IsDirectIoSafe = _flags.Contains("direct-io-safe"),
            AllowsBacking = _flags.Contains("backing"),
        };
    }

    private bool TryAccess(bool isCdrom, out bool isReadOnly)
    {
        string access = Take("access") ?? (isCdrom ? "ro" : "rw");
        isReadOnly = isCdrom || access is "r" or "ro";
        if (access is "r" or "ro" or "w" or "rw" or "w!") return true;
        Refuse($"access '{access}' is none of r, ro, w, rw");
        return false;
    }

    private string? Take(string key) => _values.GetValueOrDefault(key);

    private XlDiskSpec? Refuse(string why)
    {
        _error = why;
        return null;
    }

    private static bool IsName(ReadOnlySpan<char> text)
    {
        foreach (char c in text)
        {
            if (!char.IsAsciiLetterLower(c) && c != '-') return false;
        }

        return true;
    }
}
