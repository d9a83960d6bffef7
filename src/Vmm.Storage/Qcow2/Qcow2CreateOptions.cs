namespace Vmm.Storage.Qcow2;

/// <summary>How a new image is made.</summary>
public sealed record Qcow2CreateOptions
{
    public required ulong SizeBytes { get; init; }

    /// <summary>2 or 3.</summary>
    public int Version { get; init; } = 3;

    /// <summary>512 to 2 MiB.</summary>
    public int ClusterBytes { get; init; } = 65536;

    /// <summary>1 to 64 bits for each count.</summary>
    public int RefcountBits { get; init; } = 16;

    public Qcow2Compression Compression { get; init; }

    public bool LazyRefcounts { get; init; }

    public Qcow2Preallocation Preallocation { get; init; }

    /// <summary>As it is to stand in the image.</summary>
    public string? BackingFile { get; init; }

    public ImageFormat? BackingFormat { get; init; }
}
