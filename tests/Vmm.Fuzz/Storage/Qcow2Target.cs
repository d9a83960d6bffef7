using Vmm.Storage;
using Vmm.Storage.Qcow2;
using Vmm.Storage.Tools;

namespace Vmm.Fuzz.Storage;

/// <summary>qcow2: describe, check, read, map, every snapshot; then repair and write.</summary>
public sealed class Qcow2Target : IFuzzTarget
{
    private const int MostSnapshots = 4;

    /// <inheritdoc/>
    public string Name => "qcow2";

    /// <inheritdoc/>
    public void Run(ReadOnlySpan<byte> input)
    {
        byte[] bytes = input.ToArray();
        Random random = ImageWork.RandomOf(input);
        Attempt(() => Look(new MemoryImageFile(bytes, isReadOnly: true)));
        MemoryImageFile file = new(bytes, isReadOnly: false);
        Attempt(() =>
        {
            using Qcow2Image image = new(file, Qcow2Header.Read(file), null, Qcow2OpenMode.Check);
            image.Check(random.Next(2) == 0 ? ImageRepair.Leaks : ImageRepair.All, null);
        });
        Attempt(() =>
        {
            MemoryImageFile mended = new(file.ToArray(), isReadOnly: false);
            using IDiskImage disk = DiskImages.OpenQcow2(mended, null);
            ImageWork.Change(disk, random);
            ImageWork.ReadAll(disk);
        });
    }

    private static void Look(MemoryImageFile file)
    {
        ImageDescriber.Describe(file, ImageFormat.Qcow2);
        using (Qcow2Image image = new(file, Qcow2Header.Read(file), null, Qcow2OpenMode.Check)) Attempt(() => image.Check(ImageRepair.None, null));
        int snapshots;
        using (IDiskImage disk = DiskImages.OpenQcow2(file, null))
        {
            ImageWork.ReadAll(disk);
            snapshots = Qcow2Tools.Snapshots(disk).Count;
        }

        for (int i = 0; i < Math.Min(snapshots, MostSnapshots); i++)
        {
            int index = i;
            Attempt(() =>
            {
                using IDiskImage disk = DiskImages.OpenQcow2(file, null);
                Qcow2Tools.ShowSnapshot(disk, Qcow2Tools.Snapshots(disk)[index].Name);
                ImageWork.ReadAll(disk);
            });
        }
    }

    private static void Attempt(Action action)
    {
        try
        {
            action();
        }
        catch (ImageException)
        {
            // The answer to an image that is none.
        }
    }
}
