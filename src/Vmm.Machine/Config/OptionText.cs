using System.Globalization;
using Vmm.Core.Text;

namespace Vmm.Machine.Config;

/// <summary>
/// A device in words: <c>key=value,key=value</c>, where a key alone means "on", two commas stand for one in a value, and a first word
/// without '=' can name the kind. Take the values out key by key, then <see cref="Finish"/>. Mistakes are collected, not thrown.
/// </summary>
public sealed class OptionText
{
    private const int MostKeys = 64;

    private readonly string _path;
    private readonly List<ConfigError> _errors;
    private readonly List<(string Key, string? Value)> _pairs = [];
    private readonly List<string> _known = [];

    /// <param name="path">Where it stands, for messages: "disk[0]".</param>
    /// <param name="text">The words.</param>
    /// <param name="errors">Takes the mistakes.</param>
    public OptionText(string path, string text, List<ConfigError> errors)
    {
        (_path, _errors) = (path, errors);
        foreach (string item in Split(text))
        {
            int at = item.IndexOf('=', StringComparison.Ordinal);
            _pairs.Add(at < 0 ? (item, null) : (item[..at], item[(at + 1)..]));
        }

        if (_pairs.Count <= MostKeys) return;
        _errors.Add(new(path, $"more than {MostKeys} keys"));
        _pairs.Clear();
    }

    /// <summary>Reports a mistake in the value of a key.</summary>
    public void Refuse(string key, string why) => _errors.Add(new($"{_path}.{key}", why));

    /// <summary>The first word, if it has no '=' and is one of these.</summary>
    public string? TakeKind(params ReadOnlySpan<string> kinds)
    {
        string names = string.Join(", ", kinds!);
        if (_pairs.Count != 0 && _pairs[0].Value is null && kinds.Contains(_pairs[0].Key))
        {
            string kind = _pairs[0].Key;
            _pairs.RemoveAt(0);
            return kind;
        }

        string found = _pairs.Count == 0 ? "" : _pairs[0].Key;
        if (_pairs.Count != 0 && _pairs[0].Value is null) _pairs.RemoveAt(0);
        _errors.Add(new(_path, $"begins with one of {names}, not with '{found}'"));
        return null;
    }

    /// <summary>Whether a key is given.</summary>
    public bool Has(string key) => _pairs.Exists(p => p.Key == key);

    /// <summary>The value of a key; null where it is not given. Given twice is a mistake.</summary>
    public string? Take(string key)
    {
        string[] values = TakeAll(key);
        if (values.Length > 1) Refuse(key, "is given more than once");
        return values.Length == 0 ? null : values[0];
    }

    /// <summary>The value of a key that must be there; empty where it is not.</summary>
    /// <param name="key">The key.</param>
    /// <param name="why">What it is for, behind "is missing".</param>
    public string Need(string key, string why)
    {
        if (Take(key) is { Length: > 0 } value) return value;
        Refuse(key, $"is missing: {why}");
        return "";
    }

    /// <summary>All values of a key that can be repeated.</summary>
    public string[] TakeAll(string key)
    {
        _known.Add(key);
        string[] values = [.. _pairs.Where(p => p.Key == key && p.Value is not null).Select(p => p.Value!)];
        if (_pairs.Any(p => p.Key == key && p.Value is null)) Refuse(key, $"has no value: {key}=…");
        _pairs.RemoveAll(p => p.Key == key);
        return values;
    }

    /// <summary>A switch: on, off, or the key alone for on.</summary>
    public bool TakeSwitch(string key, bool otherwise = false)
    {
        int at = _pairs.FindIndex(p => p.Key == key && p.Value is null);
        if (at >= 0) _pairs[at] = (key, "on");
        switch (Take(key))
        {
            case null:
                return otherwise;
            case "on" or "yes" or "true":
                return true;
            case "off" or "no" or "false":
                return false;
            case { } text:
                Refuse(key, $"'{text}' is neither on nor off");
                return otherwise;
        }
    }

    /// <summary>A number within bounds.</summary>
    public int TakeNumber(string key, int otherwise, int least, int most)
    {
        if (Take(key) is not { } text) return otherwise;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= least && number <= most) return number;
        Refuse(key, $"'{text}' is not a number from {least} to {most}");
        return otherwise;
    }

    /// <summary>A size, with K, M, G or T; null where it is not given.</summary>
    public ulong? TakeSize(string key)
    {
        if (Take(key) is not { } text) return null;
        if (SizeText.TryParse(text, out ulong bytes)) return bytes;
        Refuse(key, $"'{text}' is no size; 512M or 2G would be");
        return null;
    }

    /// <summary>One of several words; the first is taken where none is given.</summary>
    public T TakeChoice<T>(string key, params ReadOnlySpan<(string Name, T Value)> choices)
    {
        if (Take(key) is not { } text) return choices[0].Value;
        if (WordChoice.Find(text, choices, out T value) is { } why) Refuse(key, why);
        return value;
    }

    /// <summary>Reports the keys that nobody has taken, each with the nearest one that there is.</summary>
    public void Finish()
    {
        foreach ((string key, _) in _pairs)
            _errors.Add(new(_path, key.Length == 0 ? "an empty key" : $"there is no key '{key}'; did you mean '{Spelling.Nearest(key, _known)}'? Keys: {string.Join(", ", _known)}"));
        _pairs.Clear();
    }

    /// <summary>The words before the first comma that does not stand for itself.</summary>
    /// <param name="text">The words.</param>
    /// <param name="rest">What follows that comma.</param>
    public static string SplitFirst(string text, out string rest)
    {
        int at = 0;
        while (at < text.Length && (text[at] != ',' || (at + 1 < text.Length && text[at + 1] == ','))) at += text[at] == ',' ? 2 : 1;
        rest = at < text.Length ? text[(at + 1)..] : "";
        return text[..at].Replace(",,", ",", StringComparison.Ordinal);
    }

    private static List<string> Split(string text)
    {
        List<string> items = [];
        if (text.Length == 0) return items;
        int start = 0;
        for (int at = 0; at <= text.Length; at++)
        {
            if (at < text.Length && text[at] != ',') continue;
            if (at + 1 < text.Length && text[at + 1] == ',')
            {
                at++;
                continue;
            }

            items.Add(text[start..at].Replace(",,", ",", StringComparison.Ordinal));
            start = at + 1;
        }

        return items;
    }
}
