namespace Vmm.Storage.Vmdk;

/// <summary>How a new image is made.</summary>
public sealed record VmdkCreateOptions
{
    public required ulong SizeBytes { get; init; }

    public VmdkSubformat Subformat { get; init; }

    /// <summary>Say of grains that they are zeros, in an entry of the table.</summary>
    public bool ZeroedGrains { get; init; }

    /// <summary>The parent, as it is to stand in the image.</summary>
    public string? BackingFile { get; init; }
}
