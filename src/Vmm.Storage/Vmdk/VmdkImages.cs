namespace Vmm.Storage.Vmdk;

/// <summary>Opens VMDK images of all kinds.</summary>
internal static class VmdkImages
{
    private const ulong SectorBytes = VmdkHeader.SectorBytes;
    private const ulong MostDescriptorBytes = 64 << 10;

    /// <summary>Opens an image.</summary>
    /// <param name="file">Taken over by the image; the caller's to close when this throws.</param>
    /// <param name="mode">What for.</param>
    /// <param name="openParent">Opens the parent of a name; null: what lies below is not wanted.</param>
    /// <param name="openExtent">Opens a file beside this one, by its name.</param>
    public static IDiskImage Open(IImageFile file, ImageOpenMode mode, Func<string, IDiskImage>? openParent, Func<string, IImageFile> openExtent)
    {
        if (VmdkDescriptor.IsDescriptor(file)) return OpenExtents(file, mode, openExtent);
        VmdkHeader header = VmdkHeader.Read(file);
        VmdkDescriptor? descriptor = header.DescriptorSector == 0 ? null
            : VmdkDescriptor.Read(file, header.DescriptorSector * SectorBytes, header.DescriptorSectors * SectorBytes);
        if (descriptor is { Extents.Count: > 1 }) throw new ImageException($"{file.Name} is made of several files with the description in one of them, which is not supported");
        IDiskImage? parent = descriptor is null || openParent is null ? null : OpenParent(file, descriptor, openParent);
        return new VmdkSparseImage(file, header, descriptor, parent, mode);
    }

    private static IDiskImage? OpenParent(IImageFile file, VmdkDescriptor descriptor, Func<string, IDiskImage> open)
    {
        if (descriptor.ParentCid == VmdkDescriptor.NoParent) return null;
        if (descriptor.ParentHint is not { Length: > 0 } name) throw new ImageException($"{file.Name} has a parent and does not say where it is");
        IDiskImage parent = open(name);
        if (parent is IVmdkImage { Descriptor.Cid: var cid } && cid == descriptor.ParentCid) return parent;
        parent.Dispose();
        throw new ImageException($"{file.Name}: {parent.Name} is not what it was when this image was made over it (its content ID is another)");
    }

    private static VmdkExtentsImage OpenExtents(IImageFile file, ImageOpenMode mode, Func<string, IImageFile> open)
    {
        if (mode == ImageOpenMode.Check) throw new ImageException($"{file.Name} only names other files, which can be checked one by one");
        if (file.Length > MostDescriptorBytes) throw new ImageException($"{file.Name} is no VMDK descriptor: it has more than {MostDescriptorBytes >> 10} KiB");
        VmdkDescriptor descriptor = VmdkDescriptor.Read(file, 0, file.Length);
        if (descriptor.ParentCid != VmdkDescriptor.NoParent) throw new ImageException($"{file.Name} is made of several files and has a parent, which is not supported");
        VmdkExtentsImage image = new(file, descriptor);
        try
        {
            foreach (VmdkExtent extent in descriptor.Extents) image.Add(extent.Sectors * SectorBytes, OpenExtent(file, extent, open), extent.OffsetSectors * SectorBytes);
            return image;
        }
        catch
        {
            image.Dispose();
            throw;
        }
    }

    private static DiskImageBase? OpenExtent(IImageFile file, VmdkExtent extent, Func<string, IImageFile> open)
    {
        if (extent.Access != "RW" && !(extent.Access == "RDONLY" && file.IsReadOnly)) throw new ImageException($"{file.Name}: an extent with access '{extent.Access}' cannot be opened for this");
        if (extent.Kind == "ZERO") return null;
        // A description may not reach beyond its own folder.
        if (extent.File is not { Length: > 0 } name || name is "." or ".." || name.AsSpan().IndexOfAny('/', '\\', '\0') >= 0)
            throw new ImageException($"{file.Name}: '{extent.File}' is no name of a file beside it");
        if (extent.Kind is not ("FLAT" or "VMFS" or "SPARSE")) throw new ImageException($"{file.Name}: extents of kind '{extent.Kind}' are not supported; FLAT, SPARSE, VMFS and ZERO are");
        IImageFile opened = open(name);
        try
        {
            return extent.Kind == "SPARSE" ? new VmdkSparseImage(opened, VmdkHeader.Read(opened), null, null, ImageOpenMode.Use) : new RawImage(opened);
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }
}
