using System.Buffers.Binary;
using System.Text;

namespace Vmm.Storage.Vmdk;

/// <summary>New, empty images in one file: header, descriptor, grain directory and tables, twice.</summary>
internal static class VmdkCreator
{
    public const ulong DescriptorSector = 1;
    public const ulong DescriptorSectors = 20;

    private const ulong SectorBytes = VmdkHeader.SectorBytes;
    private const ulong TableSectors = VmdkHeader.TableEntries * sizeof(uint) / SectorBytes;

    /// <summary>Writes an empty image into an empty file.</summary>
    /// <exception cref="ImageException">The options do not go together.</exception>
    public static void Create(IImageFile file, VmdkCreateOptions options, VmdkDescriptor? parent)
    {
        Judge(options);
        if (options.Subformat != VmdkSubformat.MonolithicSparse) throw new ImageException("a streamOptimized image is written once, by 'vmm image convert'");
        ulong coverage = VmdkHeader.TableEntries * VmdkHeader.DefaultGrainSectors * SectorBytes;
        ulong tables = options.SizeBytes / coverage + (options.SizeBytes % coverage == 0 ? 0UL : 1);
        ulong directorySectors = Sectors(tables * sizeof(uint));
        ulong redundant = DescriptorSector + DescriptorSectors;
        ulong directory = redundant + directorySectors + tables * TableSectors;
        ulong end = directory + directorySectors + tables * TableSectors;
        VmdkHeader header = new()
        {
            Flags = VmdkFlags.NewLineTest | VmdkFlags.RedundantTables | (options.ZeroedGrains ? VmdkFlags.ZeroedGrains : VmdkFlags.None),
            CapacitySectors = options.SizeBytes / SectorBytes,
            DescriptorSector = DescriptorSector,
            DescriptorSectors = DescriptorSectors,
            RedundantDirectorySector = redundant,
            DirectorySector = directory,
            OverheadSectors = (end + VmdkHeader.DefaultGrainSectors - 1) / VmdkHeader.DefaultGrainSectors * VmdkHeader.DefaultGrainSectors,
        };
        if (header.OverheadSectors > uint.MaxValue) throw new ImageException($"a VMDK image cannot hold a disk of {options.SizeBytes} bytes");
        file.SetLength(header.OverheadSectors * SectorBytes);
        WriteDirectory(file, redundant, directorySectors, tables);
        WriteDirectory(file, directory, directorySectors, tables);
        file.Write(DescriptorSector * SectorBytes, Descriptor(file, options, "monolithicSparse", parent));
        // Only a whole image has a header.
        file.Flush();
        file.Write(0, header.ToBytes());
        file.Flush();
    }

    /// <summary>Says what no image can be.</summary>
    public static void Judge(VmdkCreateOptions options)
    {
        if (options.SizeBytes % SectorBytes != 0 || options.SizeBytes > long.MaxValue) throw new ImageException("a disk has a whole number of 512-byte sectors");
        // Other programs take a size of nothing for a description of other files.
        if (options.SizeBytes == 0) throw new ImageException("a VMDK disk has at least one sector");
    }

    /// <summary>The sectors of the descriptor of a new image.</summary>
    public static byte[] Descriptor(IImageFile file, VmdkCreateOptions options, string createType, VmdkDescriptor? parent)
    {
        uint cid = unchecked((uint)Random.Shared.NextInt64(uint.MaxValue));
        string text = VmdkDescriptor.Create(cid, createType, options.SizeBytes / SectorBytes, Path.GetFileName(file.Name).Replace('"', '_'),
            parent?.Cid ?? VmdkDescriptor.NoParent, options.BackingFile);
        if (options.BackingFile?.AsSpan().IndexOfAny('"', '\n', '\r') >= 0 || text.Length >= (int)(DescriptorSectors * SectorBytes))
            throw new ImageException("the name of the backing file is too long, or cannot stand in a VMDK descriptor");
        byte[] bytes = new byte[DescriptorSectors * SectorBytes];
        Encoding.Latin1.GetBytes(text, bytes);
        return bytes;
    }

    private static ulong Sectors(ulong bytes) => (bytes + SectorBytes - 1) / SectorBytes;

    private static void WriteDirectory(IImageFile file, ulong sector, ulong sectors, ulong tables)
    {
        byte[] entries = new byte[sectors * SectorBytes];
        for (ulong i = 0; i < tables; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(entries.AsSpan((int)i * sizeof(uint)), (uint)(sector + sectors + i * TableSectors));
        file.Write(sector * SectorBytes, entries);
    }
}
