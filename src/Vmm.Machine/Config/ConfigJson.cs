using System.Text.Json;
using System.Text.Json.Serialization;

namespace Vmm.Machine.Config;

/// <summary>Configurations as JSON; the code is generated, nothing is found by reflection.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, UseStringEnumConverter = true,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(MachineConfig))]
public sealed partial class ConfigJson : JsonSerializerContext
{
    /// <summary>The configuration as indented JSON.</summary>
    public static string Format(MachineConfig config) => JsonSerializer.Serialize(config, Default.MachineConfig);

    /// <summary>A configuration from JSON.</summary>
    /// <exception cref="JsonException">It is none.</exception>
    public static MachineConfig Parse(ReadOnlySpan<byte> json) => JsonSerializer.Deserialize(json, Default.MachineConfig) ?? throw new JsonException("a machine is not null");
}
