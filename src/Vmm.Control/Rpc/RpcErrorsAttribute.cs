namespace Vmm.Control.Rpc;

/// <summary>The codes with which a method may refuse, beside those that every method has.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class RpcErrorsAttribute(params RpcErrorCode[] codes) : Attribute
{
    /// <summary>The codes.</summary>
    public IReadOnlyList<RpcErrorCode> Codes => codes;
}
