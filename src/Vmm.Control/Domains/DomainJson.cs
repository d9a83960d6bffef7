using System.Text.Json;
using System.Text.Json.Serialization;

namespace Vmm.Control.Domains;

/// <summary>Records as JSON; the code is generated, nothing is found by reflection.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, UseStringEnumConverter = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(DomainRecord))]
[JsonSerializable(typeof(DomainConfig))]
internal sealed partial class DomainJson : JsonSerializerContext
{
    /// <summary>The same on one line.</summary>
    public static DomainJson Line => field ??= new DomainJson(new JsonSerializerOptions(Default.Options) { WriteIndented = false });
}
