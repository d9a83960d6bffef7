namespace Vmm.Storage.Vhd;

/// <summary>New, empty images.</summary>
internal static class VhdCreator
{
    private const ulong HeaderAt = VhdFooter.Bytes;
    private const ulong TableAt = HeaderAt + VhdHeader.Bytes;

    /// <summary>The size that the disk will have.</summary>
    /// <exception cref="ImageException">No image can have it.</exception>
    public static (ulong Bytes, VhdGeometry Geometry) SizeFor(ulong wanted, bool force)
    {
        if (wanted % 512 != 0) throw new ImageException("a disk has a whole number of 512-byte sectors");
        if (wanted > VhdFooter.MostDiskBytes) throw new ImageException("a VHD disk has at most 2040 GiB");
        VhdGeometry geometry = force ? VhdGeometry.Largest : VhdGeometry.Covering(wanted / 512);
        return (geometry == VhdGeometry.Largest ? wanted : geometry.Sectors * 512, geometry);
    }

    /// <summary>Writes an empty image into an empty file.</summary>
    public static void Create(IImageFile file, VhdCreateOptions options, VhdFooter? parent, DateTimeOffset now)
    {
        // A differencing disk has the size of its parent, whatever its geometry can say.
        (ulong bytes, VhdGeometry geometry) = parent is null ? SizeFor(options.SizeBytes, options.ForceSize) : (parent.DiskBytes, parent.Geometry);
        if (options.IsFixed)
        {
            if (options.BackingFile is not null) throw new ImageException("a fixed VHD image has no backing file");
            WriteEnd(file, VhdFooter.Create(VhdDiskType.Fixed, bytes, geometry, now), bytes);
            return;
        }

        uint entries = (uint)((bytes + VhdHeader.DefaultBlockBytes - 1) / VhdHeader.DefaultBlockBytes);
        ulong end = TableAt + ((ulong)entries * sizeof(uint) + 511) / 512 * 512;
        VhdParent? named = parent is null ? null : new VhdParent(options.BackingFile!, parent.UniqueId.ToArray(), parent.Timestamp, end);
        VhdHeader header = VhdHeader.Create(entries, VhdHeader.DefaultBlockBytes, TableAt, named);
        VhdFooter footer = VhdFooter.Create(named is null ? VhdDiskType.Dynamic : VhdDiskType.Differencing, bytes, geometry, now);
        ClearTable(file, TableAt, 0, entries);
        if (named is not null)
        {
            file.Write(end, named.NameBytes);
            end += VhdLocator.SpaceBytes;
        }

        file.Write(HeaderAt, header.Content);
        WriteEnd(file, footer, end);
        // Only a whole image has one in front.
        file.Write(0, footer.Content);
        file.Flush();
    }

    /// <summary>Writes entries that point nowhere, up to the end of the table's last sector.</summary>
    public static void ClearTable(IImageFile file, ulong table, uint from, uint to)
    {
        byte[] nothing = new byte[64 * 1024];
        nothing.AsSpan().Fill(0xff);
        ulong end = table + ((ulong)to * sizeof(uint) + 511) / 512 * 512;
        for (ulong at = table + (ulong)from * sizeof(uint); at < end;)
        {
            int part = (int)Math.Min(end - at, (ulong)nothing.Length);
            file.Write(at, nothing.AsSpan(0, part));
            at += (ulong)part;
        }
    }

    private static void WriteEnd(IImageFile file, VhdFooter footer, ulong end)
    {
        file.SetLength(end + VhdFooter.Bytes);
        file.Write(end, footer.Content);
        file.Flush();
    }
}
