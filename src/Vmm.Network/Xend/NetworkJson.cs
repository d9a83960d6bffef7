using System.Text.Json.Serialization;

namespace Vmm.Network.Xend;

/// <summary>Journals as JSON; the code is generated, nothing is found by reflection.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, UseStringEnumConverter = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, IgnoreReadOnlyProperties = true)]
[JsonSerializable(typeof(NetworkJournal))]
[JsonSerializable(typeof(VifRecord))]
internal sealed partial class NetworkJson : JsonSerializerContext;
