using Vmm.Storage.Qcow2;
using Vmm.Storage.Vhd;
using Vmm.Storage.Vmdk;

namespace Vmm.Storage.Tools;

/// <summary>Checks of an image's own book-keeping.</summary>
public static class ImageChecker
{
    /// <summary>Whether a format has any.</summary>
    public static bool CanCheck(ImageFormat format) => format != ImageFormat.Raw;

    /// <summary>Looks for contradictions.</summary>
    /// <param name="path">Nobody else uses it meanwhile.</param>
    /// <param name="format">One that can be checked.</param>
    /// <param name="repair">What may be changed.</param>
    /// <param name="progress">Is told the part that is done, 0 to 1.</param>
    /// <exception cref="ImageException">The check itself cannot be done.</exception>
    public static ImageCheckResult Check(string path, ImageFormat format, ImageRepair repair, Action<double>? progress)
    {
        using HostImageFile file = new(Host.BlockFile.Open(path, readOnly: repair == ImageRepair.None));
        return Check(file, format, repair, progress);
    }

    internal static ImageCheckResult Check(IImageFile file, ImageFormat format, ImageRepair repair, Action<double>? progress)
    {
        if (format == ImageFormat.Qcow2)
        {
            using Qcow2Image image = new(file, Qcow2Header.Read(file), null, Qcow2OpenMode.Check);
            return image.Check(repair, progress);
        }

        if (format == ImageFormat.Vmdk)
        {
            using IDiskImage vmdk = VmdkImages.Open(file, ImageOpenMode.Check, openParent: null, name => throw new ImageException($"{file.Name} is made of other files ('{name}')"));
            return ((VmdkSparseImage)vmdk).Check(repair);
        }

        if (format != ImageFormat.Vhd) throw new ImageException($"the format {format.Name()} has nothing to check");
        using IDiskImage disk = VhdImages.Open(file, ImageOpenMode.Check, openParent: null);
        return disk is VhdSparseImage sparse ? sparse.Check(repair) : new ImageCheckResult { TotalClusters = 1, AllocatedClusters = 1, EndOffset = file.Length };
    }
}
