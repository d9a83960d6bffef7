namespace Vmm.Control.Rpc;

/// <summary>A request cannot be carried out; the client is told the code and the message.</summary>
public sealed class RpcException : Exception
{
    public RpcException(RpcErrorCode code, string message) : base(message) => Code = code;

    public RpcException(string message) : base(message) { }

    public RpcException(string message, Exception inner) : base(message, inner) { }

    public RpcException() { }

    /// <summary>What kind of refusal it is.</summary>
    public RpcErrorCode Code { get; } = RpcErrorCode.InternalError;
}
