namespace Vmm.Storage.Vhd;

/// <summary>Finds the footer that counts.</summary>
internal static class VhdFooters
{
    /// <summary>Reads the footer of an image.</summary>
    /// <exception cref="ImageException">There is none that is whole.</exception>
    public static VhdFooter Find(IImageFile file)
    {
        VhdFooter? end = ReadEnd(file);
        // A fixed disk has nothing but its content in front, and its guest can write anything there, a footer as well.
        if (end is { DiskType: VhdDiskType.Fixed } && end.CurrentBytes <= file.Length - VhdFooter.Bytes) return Judge(file, end);
        VhdFooter? footer = ReadFront(file) ?? end;
        if (footer is not null) return Judge(file, footer);
        Span<byte> start = stackalloc byte[VhdFooter.Bytes];
        file.Read(0, start);
        throw new ImageException(start.StartsWith("conectix"u8) ? $"{file.Name}: the checksums of the VHD footers are wrong" : $"{file.Name} is no VHD image");
    }

    /// <summary>The footer at the end, if it is whole.</summary>
    public static VhdFooter? ReadEnd(IImageFile file)
    {
        ulong length = file.Length;
        return length < VhdFooter.Bytes ? null : Read(file, length - VhdFooter.Bytes);
    }

    /// <summary>The copy at the front, if it is whole.</summary>
    public static VhdFooter? ReadFront(IImageFile file) => Read(file, 0) is { DiskType: not VhdDiskType.Fixed } footer ? footer : null;

    private static VhdFooter? Read(IImageFile file, ulong offset)
    {
        Span<byte> bytes = stackalloc byte[VhdFooter.Bytes];
        file.Read(offset, bytes);
        return VhdFooter.TryRead(bytes);
    }

    private static VhdFooter Judge(IImageFile file, VhdFooter footer)
    {
        if (footer.DiskType is not (VhdDiskType.Fixed or VhdDiskType.Dynamic or VhdDiskType.Differencing))
            throw new ImageException($"{file.Name}: VHD disk type {(uint)footer.DiskType} is not supported; fixed, dynamic and differencing are");
        if (footer.DiskBytes > VhdFooter.MostDiskBytes) throw new ImageException($"{file.Name}: a VHD disk has at most 2040 GiB");
        if (footer.DiskBytes % 512 != 0) throw new ImageException($"{file.Name}: the disk's size is no whole number of sectors");
        return footer;
    }
}
