namespace Vmm.Control.Rpc;

/// <summary>A client does not keep to the framing; its connection ends.</summary>
internal sealed class BadRpcMessageException : Exception
{
    public BadRpcMessageException(string message) : base(message) { }

    public BadRpcMessageException(string message, Exception inner) : base(message, inner) { }

    public BadRpcMessageException() { }
}
