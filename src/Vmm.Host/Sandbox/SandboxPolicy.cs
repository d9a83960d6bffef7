using System.Collections.Immutable;

namespace Vmm.Host.Sandbox;

/// <summary>
/// What a process still needs after it has opened its files, mapped its memory and started its first threads. All else is taken from it.
/// </summary>
public sealed record SandboxPolicy
{
    /// <summary>Files and folders that it opens later.</summary>
    public ImmutableArray<SandboxPath> Paths { get; init; } = [];

    /// <summary>It makes connections of IPv4 and IPv6.</summary>
    public bool UsesInet { get; init; }

    /// <summary>It sends ICMP echoes, for which a capability is kept where the host gives none without it.</summary>
    public bool UsesEcho { get; init; }

    /// <summary>It listens on ports below 1024.</summary>
    public bool UsesLowPorts { get; init; }

    /// <summary>It makes connections to Unix sockets.</summary>
    public bool UsesUnixSockets { get; init; }

    /// <summary>It makes, renames and removes files, with owners and attributes: a shared folder.</summary>
    public bool ServesFiles { get; init; }

    /// <summary>It makes device nodes there.</summary>
    public bool MakesDevices { get; init; }

    /// <summary>It sets up further io_urings, until <see cref="ProcessSandbox.RefuseRings"/>; else they are refused, and who wants one takes threads.</summary>
    public bool MakesRings { get; init; }

    /// <summary>Code is made while it runs: true under a just-in-time compiler, whose host alone has such a list.</summary>
    public bool MakesCode { get; init; } = AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES") is not null;

    /// <summary>Whether a process with this policy can do what another policy is for. Rings aside, for which there is a substitute.</summary>
    public bool Covers(SandboxPolicy other) => other.Paths.All(Paths.Contains)
        && (UsesInet || !other.UsesInet) && (UsesEcho || !other.UsesEcho) && (UsesLowPorts || !other.UsesLowPorts) && (UsesUnixSockets || !other.UsesUnixSockets)
        && (ServesFiles || !other.ServesFiles) && (MakesDevices || !other.MakesDevices);
}
