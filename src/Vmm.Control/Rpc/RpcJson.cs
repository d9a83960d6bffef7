using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;
using StreamJsonRpc;
using StreamJsonRpc.Protocol;
using Vmm.Control.Domains;
using Vmm.Core.Backends;
using Vmm.Machine;
using Vmm.Machine.Config;

namespace Vmm.Control.Rpc;

/// <summary>What goes over the socket as JSON; the code is generated, nothing is found by reflection.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, NumberHandling = JsonNumberHandling.Strict,
    RespectNullableAnnotations = true,
    Converters =
    [
        typeof(CamelCaseEnumConverter<DomainState>), typeof(CamelCaseEnumConverter<DomainAction>), typeof(CamelCaseEnumConverter<DomainEventKind>),
        typeof(CamelCaseEnumConverter<MachineEnd>), typeof(CamelCaseEnumConverter<VcpuRunState>), typeof(CamelCaseEnumConverter<DiskCache>),
        typeof(CamelCaseEnumConverter<BlockOperation>),
    ])]
[JsonSerializable(typeof(DomainInfo))]
[JsonSerializable(typeof(GuestEnd))]
[JsonSerializable(typeof(PowerButtonAnswer))]
[JsonSerializable(typeof(RemovalAnswer))]
[JsonSerializable(typeof(CoreInfo))]
[JsonSerializable(typeof(SaveInfo))]
[JsonSerializable(typeof(IReadOnlyList<VcpuInfo>))]
[JsonSerializable(typeof(BalloonInfo))]
[JsonSerializable(typeof(DeviceEntry))]
[JsonSerializable(typeof(IReadOnlyList<DeviceEntry>))]
[JsonSerializable(typeof(IReadOnlyList<DiskEntry>))]
[JsonSerializable(typeof(IReadOnlyList<NetEntry>))]
[JsonSerializable(typeof(LimitSettings))]
[JsonSerializable(typeof(ConsoleEntry))]
[JsonSerializable(typeof(IReadOnlyList<ConsoleEntry>))]
[JsonSerializable(typeof(DomainEvent))]
[JsonSerializable(typeof(RpcErrorData))]
[JsonSerializable(typeof(CommonErrorData))]
[JsonSerializable(typeof(RequestId))]
[JsonSerializable(typeof(IReadOnlyList<string>))]
[JsonSerializable(typeof(IReadOnlyList<int>))]
[JsonSerializable(typeof(JsonElement))]
[JsonSerializable(typeof(byte[]))]
[JsonSerializable(typeof(string))]
[JsonSerializable(typeof(int))]
[JsonSerializable(typeof(int?))]
[JsonSerializable(typeof(long))]
[JsonSerializable(typeof(ulong))]
[JsonSerializable(typeof(double))]
[JsonSerializable(typeof(bool))]
internal sealed partial class RpcJson : JsonSerializerContext
{
    /// <summary>A formatter for one connection.</summary>
    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "every type that goes over the socket is in this context")]
    [UnconditionalSuppressMessage("AOT", "IL3050", Justification = "every type that goes over the socket is in this context")]
    public static SystemTextJsonFormatter NewFormatter()
        => new() { JsonSerializerOptions = new JsonSerializerOptions(Default.Options) { TypeInfoResolver = Default } };
}
