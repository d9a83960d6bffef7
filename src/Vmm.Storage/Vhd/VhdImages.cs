namespace Vmm.Storage.Vhd;

/// <summary>Opens VHD images of all kinds.</summary>
internal static class VhdImages
{
    /// <summary>Opens an image.</summary>
    /// <param name="file">Taken over by the image; the caller's to close when this throws.</param>
    /// <param name="mode">What for.</param>
    /// <param name="openParent">Opens the parent of a name; null: what lies below is not wanted.</param>
    public static IDiskImage Open(IImageFile file, ImageOpenMode mode, Func<string, IDiskImage>? openParent)
    {
        VhdFooter footer = VhdFooters.Find(file);
        if (footer.DiskType == VhdDiskType.Fixed) return new VhdFixedImage(file, footer);
        VhdHeader header = VhdHeader.Read(file, footer);
        IDiskImage? parent = null;
        if (footer.DiskType == VhdDiskType.Differencing && openParent is not null)
        {
            parent = openParent(VhdParent.PathOf(file, header));
            if (!((IVhdImage)parent).Footer.UniqueId.SequenceEqual(header.ParentId))
            {
                parent.Dispose();
                throw new ImageException($"{file.Name}: {parent.Name} is not the disk that it was made for (its identity is another)");
            }
        }

        return new VhdSparseImage(file, footer, header, parent, mode);
    }
}
