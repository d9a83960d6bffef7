namespace Vmm.Control.Rpc;

/// <summary>The codes of errors: those of JSON-RPC 2.0 §5.1, and ours, which never change their
/// meaning (clear of the few below -32000 that StreamJsonRpc uses for itself).</summary>
public enum RpcErrorCode
{
    /// <summary>This is no JSON.</summary>
    ParseError = -32700,

    /// <summary>This is no JSON-RPC 2.0 request.</summary>
    InvalidRequest = -32600,

    /// <summary>There is no such method.</summary>
    MethodNotFound = -32601,

    /// <summary>The parameters are not those of the method, or make no sense.</summary>
    InvalidParameters = -32602,

    /// <summary>Something that should not happen.</summary>
    InternalError = -32603,

    /// <summary>The domain is not in a state for this.</summary>
    WrongState = -32011,

    /// <summary>The host refused something.</summary>
    HostRefused = -32012,

    /// <summary>There is no such device, vCPU or console.</summary>
    NotFound = -32013,
}
