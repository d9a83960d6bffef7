using Vmm.Storage.Qcow2;

namespace Vmm.Storage.Tools;

/// <summary>What only qcow2 images can do. All throw <see cref="ImageException"/> for an image of another format.</summary>
public static class Qcow2Tools
{
    /// <summary>The header in words, without opening the disk: damaged images have one, too.</summary>
    public static Qcow2Info Describe(string path)
    {
        using HostImageFile file = new(Host.BlockFile.Open(path, readOnly: true, ignoreLocks: true));
        return Describe(Qcow2Header.Read(file));
    }

    internal static Qcow2Info Describe(Qcow2Header header) => new()
    {
        Version = (int)header.Version,
        ClusterBytes = header.ClusterBytes,
        RefcountBits = 1 << header.RefcountOrder,
        Compression = header.Compression,
        LazyRefcounts = (header.Compatible & Qcow2Compatible.LazyRefcounts) != 0,
        HasSubclusters = header.HasExtendedL2,
        HasBitmaps = header.HasBitmaps,
        IsDirty = (header.Incompatible & Qcow2Incompatible.Dirty) != 0,
        IsCorrupt = (header.Incompatible & Qcow2Incompatible.Corrupt) != 0,
        BackingFile = header.BackingFile,
        BackingFormat = header.BackingFormat,
    };

    /// <summary>The internal snapshots.</summary>
    public static IReadOnlyList<SnapshotInfo> Snapshots(IDiskImage image)
        => [.. Of(image).Snapshots.Select(s => new SnapshotInfo(s.Id, s.Name, DateTimeOffset.FromUnixTimeSeconds(s.Seconds), s.DiskBytes, s.StateBytes))];

    /// <summary>Keeps the disk as it is now under a name.</summary>
    public static void CreateSnapshot(IDiskImage image, string name, DateTimeOffset now) => Of(image).CreateSnapshot(name, now);

    /// <summary>Makes the disk what it was.</summary>
    public static void ApplySnapshot(IDiskImage image, string name) => Of(image).ApplySnapshot(name);

    /// <summary>Drops a snapshot.</summary>
    public static void DeleteSnapshot(IDiskImage image, string name) => Of(image).DeleteSnapshot(name);

    /// <summary>Shows a snapshot in place of the disk, in an image that is open for reading only.</summary>
    public static void ShowSnapshot(IDiskImage image, string name) => Of(image).ShowSnapshot(name);

    /// <summary>Counts all references of an image and compares.</summary>
    /// <param name="path">Nobody else uses it meanwhile.</param>
    /// <param name="repair">What may be changed.</param>
    /// <param name="progress">Is told the part that is done, 0 to 1.</param>
    public static ImageCheckResult Check(string path, ImageRepair repair, Action<double>? progress)
    {
        using Qcow2Image image = DiskImages.OpenForCheck(path, readOnly: repair == ImageRepair.None);
        return image.Check(repair, progress);
    }

    private static Qcow2Image Of(IDiskImage image)
        => image as Qcow2Image ?? throw new ImageException($"{image.Name}: the format {image.Format.Name()} has no snapshots");
}
