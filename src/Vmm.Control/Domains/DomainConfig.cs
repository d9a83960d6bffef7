using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using Vmm.Machine.Config;

namespace Vmm.Control.Domains;

/// <summary>A domain in words: its machine, and what follows at its ends.</summary>
public sealed record DomainConfig
{
    public required string Name { get; init; }

    public required Guid Uuid { get; init; }

    /// <summary>The machine. Its serial ports and what follows a reset are the domain's affair.</summary>
    [JsonConverter(typeof(MachineConfigConverter))]
    public required MachineConfig Machine { get; init; }

    /// <summary>On which of the host's processors each vCPU may run; an empty entry, and none, is any.</summary>
    public ImmutableArray<ImmutableArray<int>> VcpuAffinity { get; init; } = [];

    public DomainAction OnPowerOff { get; init; } = DomainAction.Destroy;

    public DomainAction OnReboot { get; init; } = DomainAction.Restart;

    public DomainAction OnCrash { get; init; } = DomainAction.Destroy;

    /// <summary>Reads the form in which domains are stored and handed on.</summary>
    /// <exception cref="JsonException">It is no such form.</exception>
    public static DomainConfig FromJson(JsonElement json) => json.Deserialize(DomainJson.Default.DomainConfig) ?? throw new JsonException("a domain is not null");

    /// <summary>The form in which domains are stored and handed on.</summary>
    public JsonElement ToJson() => JsonSerializer.SerializeToElement(this, DomainJson.Default.DomainConfig);
}
