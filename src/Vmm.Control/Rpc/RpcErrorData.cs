namespace Vmm.Control.Rpc;

/// <summary>What an error says beside its code and message.</summary>
/// <param name="Causes">From the outermost to the innermost, a line each.</param>
/// <param name="Log">The last lines of the domain's log.</param>
public sealed record RpcErrorData(IReadOnlyList<string> Causes, IReadOnlyList<string> Log);
