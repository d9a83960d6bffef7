using Vmm.Storage.Qcow2;

namespace Vmm.Storage.Tools;

/// <summary>What only qcow2 images can do. All throw <see cref="ImageException"/> for an image of another format.</summary>
public static class Qcow2Tools
{
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

    private static Qcow2Image Of(IDiskImage image)
        => image as Qcow2Image ?? throw new ImageException($"{image.Name}: the format {image.Format.Name()} has no snapshots");
}
