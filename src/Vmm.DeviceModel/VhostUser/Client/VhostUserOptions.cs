using Vmm.Core.Backends;

namespace Vmm.DeviceModel.VhostUser.Client;

/// <summary>What the guest is shown of a device behind a socket.</summary>
public sealed record VhostUserOptions
{
    /// <summary>The most bytes of a <see cref="Tag"/>.</summary>
    public const int MostTagBytes = 36;

    /// <summary>What it is.</summary>
    public required VhostUserKind Kind { get; init; }

    /// <summary>Request queues, or pairs of queues; null for as many as the back end has, but not more than <see cref="MostDefaultQueues"/>.</summary>
    public int? Queues { get; init; }

    /// <summary>With no number given: one for each vCPU is enough.</summary>
    public int MostDefaultQueues { get; init; } = 1;

    /// <summary>Entries of each queue: a power of two.</summary>
    public ushort QueueSize { get; init; } = 256;

    /// <summary>The name by which a guest mounts a shared directory.</summary>
    public string Tag { get; init; } = "";

    /// <summary>How long the back end has for an answer. Long, because a ring stops when its requests have ended.</summary>
    public int AnswerTimeoutMs { get; init; } = 60_000;

    /// <summary>The address of a network device whose back end has none for it.</summary>
    public MacAddress Mac { get; init; }
}
