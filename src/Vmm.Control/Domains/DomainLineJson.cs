using System.Text.Json.Serialization;

namespace Vmm.Control.Domains;

/// <summary>Records as a line of JSON; the code is generated, nothing is found by reflection.</summary>
[JsonSourceGenerationOptions(UseStringEnumConverter = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(DomainRecord))]
internal sealed partial class DomainLineJson : JsonSerializerContext;
