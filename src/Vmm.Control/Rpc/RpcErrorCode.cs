namespace Vmm.Control.Rpc;

/// <summary>The codes of errors: those of JSON-RPC 2.0 §5.1, and ours, which never change their meaning.</summary>
public enum RpcErrorCode
{
    ParseError = -32700,
    InvalidRequest = -32600,
    MethodNotFound = -32601,
    InvalidParameters = -32602,
    InternalError = -32603,

    /// <summary>The domain is not in a state for this.</summary>
    WrongState = -32001,

    /// <summary>The host refused something.</summary>
    HostRefused = -32002,

    /// <summary>There is no such device.</summary>
    NotFound = -32003,
}
