using PolyType;
using StreamJsonRpc;

namespace Vmm.Control.Rpc;

/// <summary>What a domain's socket answers (JSON-RPC 2.0).</summary>
[JsonRpcContract]
[GenerateShape(IncludeMethods = MethodShapeFlags.PublicInstance)]
public partial interface IDomainRpc
{
    /// <summary>What the domain is and does.</summary>
    [JsonRpcMethod("domain.info")]
    Task<DomainInfo> GetInfoAsync(CancellationToken cancellation);

    /// <summary>Stops the guest and its time.</summary>
    [JsonRpcMethod("domain.pause")]
    Task PauseAsync(CancellationToken cancellation);

    /// <summary>Lets a paused guest go on.</summary>
    [JsonRpcMethod("domain.unpause")]
    Task UnpauseAsync(CancellationToken cancellation);

    /// <summary>Gives the domain another name.</summary>
    [JsonRpcMethod("domain.rename")]
    Task RenameAsync(string name, CancellationToken cancellation);

    /// <summary>Ends the guest as if its plug were pulled.</summary>
    [JsonRpcMethod("domain.destroy")]
    Task DestroyAsync(CancellationToken cancellation);
}
