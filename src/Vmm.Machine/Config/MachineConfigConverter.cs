using System.Text.Json;
using System.Text.Json.Serialization;

namespace Vmm.Machine.Config;

/// <summary>A machine inside other JSON, in the words of <see cref="ConfigJson"/>: its code is generated once.</summary>
public sealed class MachineConfigConverter : JsonConverter<MachineConfig>
{
    /// <inheritdoc/>
    public override MachineConfig? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        => JsonSerializer.Deserialize(ref reader, ConfigJson.Default.MachineConfig);

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, MachineConfig value, JsonSerializerOptions options)
        => JsonSerializer.Serialize(writer, value, ConfigJson.Default.MachineConfig);
}
