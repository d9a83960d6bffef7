using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;
using StreamJsonRpc;
using StreamJsonRpc.Protocol;

namespace Vmm.Control.Rpc;

/// <summary>What goes over the socket as JSON; the code is generated, nothing is found by reflection.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(DomainInfo))]
[JsonSerializable(typeof(RpcErrorData))]
[JsonSerializable(typeof(CommonErrorData))]
[JsonSerializable(typeof(string))]
[JsonSerializable(typeof(int))]
[JsonSerializable(typeof(long))]
[JsonSerializable(typeof(ulong))]
[JsonSerializable(typeof(bool))]
internal sealed partial class RpcJson : JsonSerializerContext
{
    /// <summary>A formatter for one connection.</summary>
    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "every type that goes over the socket is in this context")]
    [UnconditionalSuppressMessage("AOT", "IL3050", Justification = "every type that goes over the socket is in this context")]
    public static SystemTextJsonFormatter NewFormatter()
        => new() { JsonSerializerOptions = new JsonSerializerOptions(JsonSerializerDefaults.Web) { TypeInfoResolver = Default } };
}
