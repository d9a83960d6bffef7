using System.Text;
using System.Text.Json;
using Vmm.Control.Rpc;
using Vmm.Core.Text;
using Vmm.Machine.Config;

namespace Vmm.Control.Domains;

/// <summary>Reads a device that a client describes: as words, as behind a command-line option, or as an object with the same keys.</summary>
internal static class DeviceWords
{
    // The first word of a network or console, which has no key.
    private const string KindKey = "type";

    /// <param name="kind">The name of the option.</param>
    /// <param name="config">The words or the object.</param>
    /// <param name="taken">Ids that are in use: a device that names none gets another.</param>
    /// <exception cref="RpcException">There is no such kind, or something is wrong with the words.</exception>
    public static DeviceConfig Parse(string kind, JsonElement config, IEnumerable<string> taken)
    {
        string text = config.ValueKind switch
        {
            JsonValueKind.String => config.GetString()!,
            JsonValueKind.Object => Words(config),
            _ => throw Refuse("config is a text or an object"),
        };
        HashSet<string> ids = [.. taken];
        int index = 0;
        while (ids.Contains($"{kind}{index}")) index++;
        List<ConfigError> errors = [];
        DeviceConfig? device = DeviceKinds.Parse(kind, index, text, errors);
        if (device is null) throw Refuse($"there is no kind of device '{kind}'; did you mean '{Spelling.Nearest(kind, DeviceKinds.All)}'?");
        errors.AddRange(errors.Count == 0 ? ConfigValidator.Validate(device) : []);
        return errors.Count == 0 ? device : throw Refuse(string.Join("; ", errors.Select(e => e.ToString())));
    }

    private static string Words(JsonElement config)
    {
        StringBuilder words = new();
        if (config.TryGetProperty(KindKey, out JsonElement kind)) words.Append(Value(KindKey, kind));
        foreach (JsonProperty property in config.EnumerateObject())
        {
            if (property.Name == KindKey) continue;
            IEnumerable<JsonElement> values = property.Value.ValueKind == JsonValueKind.Array ? property.Value.EnumerateArray() : [property.Value];
            foreach (JsonElement value in values)
            {
                if (property.Name.AsSpan().ContainsAny(',', '=') || property.Name.Length == 0) throw Refuse($"'{property.Name}' is no key");
                if (words.Length != 0) words.Append(',');
                words.Append(property.Name).Append('=').Append(Value(property.Name, value));
            }
        }

        return words.ToString();
    }

    private static string Value(string key, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!.Replace(",", ",,", StringComparison.Ordinal),
        JsonValueKind.True => "on",
        JsonValueKind.False => "off",
        JsonValueKind.Number => value.GetRawText(),
        _ => throw Refuse($"'{key}' is a text, a number, true or false, or a list of them"),
    };

    private static RpcException Refuse(string why) => new(RpcErrorCode.InvalidParameters, why);
}
