using System.Text.Json;
using System.Text.Json.Serialization;

namespace Vmm.Control.Domains;

/// <summary>Domains' configurations as JSON; the code is generated, nothing is found by reflection.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, UseStringEnumConverter = true,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(DomainConfig))]
public sealed partial class DomainConfigJson : JsonSerializerContext
{
    /// <summary>The configuration as indented JSON.</summary>
    public static string Format(DomainConfig config) => JsonSerializer.Serialize(config, Default.DomainConfig);
}
