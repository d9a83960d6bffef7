namespace Vmm.Control.Rpc;

/// <summary>Answers one client.</summary>
internal interface IRpcTarget : IDomainRpc, IDisposable
{
    /// <summary>Whether the client has been told all that it is to be told so far.</summary>
    bool IsIdle { get; }
}
