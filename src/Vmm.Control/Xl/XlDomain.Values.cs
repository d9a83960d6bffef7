using System.Collections.Immutable;
using System.Globalization;
using Vmm.Core.Text;
using Vmm.Machine.Config;

namespace Vmm.Control.Xl;

/// <content>Values of keys, and what is wrong with them.</content>
public sealed partial class XlDomain
{
    private string? Text(string key)
    {
        switch (_document.Find(key)?.Value)
        {
            case null or XlText { Value: "" }:
                return null;
            case XlText text:
                return text.Value;
            case XlValue other:
                Fail(key, other.Position, $"'{key}' is a text in quotes, not {other.Kind}");
                return null;
        }
    }

    private T Choice<T>(string key, params ReadOnlySpan<(string Name, T Value)> choices)
    {
        if (Text(key) is not { } text) return choices[0].Value;
        if (WordChoice.Find(text, choices, out T value) is { } why) Fail(key, why);
        return value;
    }

    private long? Number(string key)
    {
        switch (_document.Find(key)?.Value)
        {
            case null:
                return null;
            case XlNumber number:
                return number.Value;
            // xm's files hold numbers in quotes, too.
            case XlText text when long.TryParse(text.Value, NumberStyles.None, CultureInfo.InvariantCulture, out long value):
                return value;
            case XlValue other:
                Fail(key, other.Position, $"'{key}' is a number, not {other.Kind}");
                return null;
        }
    }

    private ImmutableArray<XlValue> Items(string key)
    {
        switch (_document.Find(key)?.Value)
        {
            case null:
                return [];
            case XlList { Items.Length: > ConfigValidator.MostDevices } list:
                Fail(key, list.Position, $"{list.Items.Length} entries are more than the {ConfigValidator.MostDevices} devices that a guest can have");
                return [];
            case XlList list:
                return list.Items;
            case XlValue other:
                Fail(key, other.Position, $"'{key}' is a list, not {other.Kind}");
                return [];
        }
    }

    /// <summary>The texts of a list, each with its place; anything else in it is a mistake.</summary>
    private List<XlText> Entries(string key)
    {
        List<XlText> texts = [];
        foreach (XlValue item in Items(key))
        {
            if (item is XlText text) texts.Add(text);
            else Fail(key, item.Position, $"an entry is a text, not {item.Kind}");
        }

        return texts;
    }

    private static string KeyOf(string path) => path.Split('[', '.')[0] switch
    {
        "vcpus" => "vcpus",
        "memory" => "memory",
        "disk" => "disk",
        "net" => "vif",
        "share" => "p9",
        "serial" => "serial",
        "cpu" => "vmm_cpu",
        "rng" or "vsock" or "balloon" or "console" => "vmm_devices",
        "name" => "name",
        "devices" => "disk",
        _ => "kernel",
    };

    private XlPosition? PlaceOf(string path) => _places.TryGetValue(path.Split('.')[0], out XlPosition place) ? place : null;

    private void Fail(string key, string why) => Fail(key, null, why);

    private void Fail(string key, XlPosition? position, string why)
    {
        XlSetting? setting = _document.Find(key);
        XlPosition place = position ?? setting?.Value.Position ?? new(1, 1, _file);
        XlError error = new(place.File, place, why);
        if (!_errors.Contains(error)) _errors.Add(error);
    }

    private void Warn(XlSetting setting, string why) => Warn(new XlError(setting.File, setting.Position, why));

    private void Warn(XlPosition position, string why) => Warn(new XlError(position.File, position, why));

    private void Warn(XlError warning)
    {
        if (_warnings.Count < MostWarnings) _warnings.Add(warning);
    }
}
