namespace Vmm.Storage.Vhd;

/// <summary>How a new image is made.</summary>
public sealed record VhdCreateOptions
{
    public required ulong SizeBytes { get; init; }

    /// <summary>All bytes lie in the file from the start.</summary>
    public bool IsFixed { get; init; }

    /// <summary>
    /// Keep the size as it is said. Without it the disk grows to the next size that cylinders, heads and sectors can express, as
    /// qemu-img does it, because Virtual PC knows no other.
    /// </summary>
    public bool ForceSize { get; init; }

    /// <summary>The parent of a differencing disk, as it is to stand in the image; its size is taken.</summary>
    public string? BackingFile { get; init; }
}
