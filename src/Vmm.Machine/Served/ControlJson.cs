using System.Text.Json;
using System.Text.Json.Serialization;

namespace Vmm.Machine.Served;

/// <summary>Messages as JSON; the code is generated, nothing is found by reflection.</summary>
[JsonSourceGenerationOptions(UseStringEnumConverter = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ControlMessage))]
internal sealed partial class ControlJson : JsonSerializerContext
{
    public static byte[] Format(ControlMessage message) => JsonSerializer.SerializeToUtf8Bytes(message, Default.ControlMessage);

    /// <summary>Null for what is no message.</summary>
    public static ControlMessage? Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, Default.ControlMessage);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
