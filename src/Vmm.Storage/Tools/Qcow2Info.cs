using Vmm.Storage.Qcow2;

namespace Vmm.Storage.Tools;

/// <summary>What the header of a qcow2 image says.</summary>
public sealed record Qcow2Info
{
    public required int Version { get; init; }

    public required int ClusterBytes { get; init; }

    public required int RefcountBits { get; init; }

    public required Qcow2Compression Compression { get; init; }

    public required bool LazyRefcounts { get; init; }

    public required bool HasSubclusters { get; init; }

    public required bool HasBitmaps { get; init; }

    public required bool IsDirty { get; init; }

    public required bool IsCorrupt { get; init; }

    public string? BackingFile { get; init; }

    public string? BackingFormat { get; init; }
}
