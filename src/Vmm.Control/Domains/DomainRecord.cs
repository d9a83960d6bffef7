using Vmm.Host.Processes;

namespace Vmm.Control.Domains;

/// <summary>What is written down of a domain, for whoever looks while its process cannot be asked.</summary>
public sealed record DomainRecord
{
    /// <summary>Counts up; Domain-0 is the host.</summary>
    public required int Id { get; init; }

    /// <summary>Unique among the domains that live.</summary>
    public required string Name { get; init; }

    public required Guid Uuid { get; init; }

    public required DateTimeOffset Created { get; init; }

    /// <summary>The domain's process; 0 before it runs.</summary>
    public int ProcessId { get; init; }

    /// <summary>The process that serves its devices; null where there is none.</summary>
    public OtherProcess? DeviceModel { get; init; }

    public DomainState State { get; init; }

    /// <summary>Why it ended; null while it has not.</summary>
    public string? Reason { get; init; }

    /// <summary>When it was gone; null while it is not.</summary>
    public DateTimeOffset? Gone { get; init; }
}
