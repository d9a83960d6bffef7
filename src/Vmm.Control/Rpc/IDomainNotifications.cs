using PolyType;
using StreamJsonRpc;

namespace Vmm.Control.Rpc;

/// <summary>What a domain's socket tells clients that asked for it (JSON-RPC 2.0 notifications with named parameters).</summary>
[JsonRpcContract]
[GenerateShape(IncludeMethods = MethodShapeFlags.PublicInstance)]
public partial interface IDomainNotifications
{
    /// <summary>The notification of something that happened.</summary>
    const string Event = "domain.event";

    /// <summary>The notification of console output.</summary>
    const string Output = "console.output";

    /// <summary>Something happened to the domain. After domain.subscribe. The parameters are the properties of the event.</summary>
    /// <param name="happening">What.</param>
    [JsonRpcMethod(Event, UseSingleObjectParameterDeserialization = true)]
    Task OnEventAsync(DomainEvent happening);

    /// <summary>A console's output. After console.attach.</summary>
    /// <param name="console">The console's name.</param>
    /// <param name="data">The bytes in base64.</param>
    /// <param name="lost">Bytes that this client lost just before them because it did not read.</param>
    [JsonRpcMethod(Output)]
    Task OnOutputAsync(string console, byte[] data, long lost);
}
