using Vmm.Control.Rpc;

namespace Vmm.Cli.Domains;

/// <summary>A domain did not do what it was asked. The message is one line for the user.</summary>
internal sealed class DomainRefusedException : Exception
{
    public DomainRefusedException(ExitCode code, string message) : base(message) => Code = code;

    public DomainRefusedException(string message) : base(message) { }

    public DomainRefusedException(string message, Exception inner) : base(message, inner) { }

    public DomainRefusedException() { }

    /// <summary>What the process ends with.</summary>
    public ExitCode Code { get; } = ExitCode.Failed;

    /// <summary>What the domain said beside the message; null for nothing.</summary>
    public RpcErrorData? Details { get; init; }
}
