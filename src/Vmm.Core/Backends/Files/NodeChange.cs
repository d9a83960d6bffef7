namespace Vmm.Core.Backends.Files;

/// <summary>What shall change of a node; null is left as it is.</summary>
public readonly record struct NodeChange
{
    /// <summary>Permission bits.</summary>
    public uint? Mode { get; init; }
    public uint? Uid { get; init; }
    public uint? Gid { get; init; }
    public ulong? SizeBytes { get; init; }
    public TimeChange Accessed { get; init; }
    public TimeChange Modified { get; init; }

    /// <summary>The time of change alone shall become the present.</summary>
    public bool Touch { get; init; }
}
