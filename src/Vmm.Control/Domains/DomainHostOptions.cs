using Vmm.Machine.Snapshot;

namespace Vmm.Control.Domains;

/// <summary>How a domain lives in its process.</summary>
public sealed record DomainHostOptions
{
    /// <summary>The guest waits for <c>domain.unpause</c>.</summary>
    public bool IsPaused { get; init; }

    /// <summary>A guest must have lived so long to be started anew after an end of its own; null for <see cref="DomainHost.LeastLife"/>.</summary>
    public TimeSpan? LeastLife { get; init; }

    /// <summary>The path of vmm, which serves the devices in a process of its own; null for what runs now.</summary>
    public string? Executable { get; init; }

    /// <summary>Where core files of guests that crash are written; null for <see cref="CoreFolder.Default"/>.</summary>
    public string? CoreFolder { get; init; }

    /// <summary>The guest that goes on; null for one that begins. The caller's; not used any more once the domain is there.</summary>
    public SnapshotReader? Saved { get; init; }

    /// <summary>Told which part of the saved guest's memory is there.</summary>
    public Action<double>? Progress { get; init; }

    /// <summary>
    /// Makes a domain of its own, in another process: for <see cref="DomainAction.RenameRestart"/>. Null where that cannot be done; such a domain is
    /// preserved then, and nothing comes in its place.
    /// </summary>
    public Action<DomainConfig>? Spawn { get; init; }
}
