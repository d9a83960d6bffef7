using Vmm.Storage;
using Vmm.Storage.Tools;

namespace Vmm.Fuzz.Storage;

/// <summary>An image of a format that has no snapshots: describe, check, read, map; then repair and write.</summary>
public abstract class ImageTarget(ImageFormat format, string name) : IFuzzTarget
{
    /// <inheritdoc/>
    public string Name => name;

    /// <inheritdoc/>
    public void Run(ReadOnlySpan<byte> input)
    {
        byte[] bytes = input.ToArray();
        Random random = ImageWork.RandomOf(input);
        if (random.Next(8) != 0) Seal(bytes);
        MemoryImageFile looked = new(bytes, isReadOnly: true);
        Attempt(() => ImageDescriber.Describe(looked, format));
        Attempt(() => ImageChecker.Check(looked, format, ImageRepair.None, null));
        Attempt(() =>
        {
            using IDiskImage disk = DiskImages.OpenAlone(looked, format, OpenExtent);
            ImageWork.ReadAll(disk);
        });
        MemoryImageFile file = new([.. bytes], isReadOnly: false);
        Attempt(() => ImageChecker.Check(file, format, random.Next(2) == 0 ? ImageRepair.Leaks : ImageRepair.All, null));
        Attempt(() =>
        {
            using IDiskImage disk = DiskImages.OpenAlone(new MemoryImageFile(file.ToArray(), isReadOnly: false), format, OpenExtent);
            ImageWork.Change(disk, random);
            ImageWork.ReadAll(disk);
            if (random.Next(4) == 0) disk.Resize((ulong)random.Next(1, 100_000) * 512);
        });
        // As it is, without a repair before.
        Attempt(() =>
        {
            using IDiskImage disk = DiskImages.OpenAlone(new MemoryImageFile(bytes, isReadOnly: false), format, OpenExtent);
            ImageWork.Change(disk, random);
        });

        IImageFile OpenExtent(string extent)
        {
            if (extent.Contains('/', StringComparison.Ordinal) || extent is "." or "..") throw new InvalidOperationException($"'{extent}' leaves the folder");
            return new MemoryImageFile(new byte[8192], isReadOnly: true);
        }
    }

    /// <summary>Makes checksums right, as somebody with bad intentions would.</summary>
    protected virtual void Seal(Span<byte> bytes)
    {
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
