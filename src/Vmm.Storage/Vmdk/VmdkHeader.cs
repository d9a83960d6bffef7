using System.Buffers.Binary;

namespace Vmm.Storage.Vmdk;

/// <summary>The header of a sparse extent (VMDK specification 5.0, "Hosted Sparse Extent Header"); all numbers are little-endian.</summary>
internal sealed class VmdkHeader(uint version = 1)
{
    public const int Bytes = 512;
    public const uint Magic = 0x564d444b;
    public const ulong SectorBytes = 512;
    public const uint DefaultGrainSectors = 128;
    public const uint TableEntries = 512;
    public const ushort Deflate = 1;

    /// <summary>The grain directory is at the end: the header's copy there says where.</summary>
    public const ulong DirectoryAtEnd = ulong.MaxValue;

    /// <summary>2 TiB of 64 KiB grains need no more than this.</summary>
    private const ulong MostDirectoryBytes = 64 << 20;

    private const ulong MostDescriptorBytes = 64 << 10;
    private const uint MostGrainSectors = 32768;
    private const uint FooterMarker = 3;
    private const ulong FooterBytes = 3 * SectorBytes;
    private const uint NewLines = 0x0a0d200a;

    public uint Version => version;

    public VmdkFlags Flags { get; init; }

    public ulong CapacitySectors { get; init; }

    public ulong GrainSectors { get; init; } = DefaultGrainSectors;

    public ulong DescriptorSector { get; init; }

    public ulong DescriptorSectors { get; init; }

    /// <summary>Entries of each grain table.</summary>
    public uint EntriesPerTable { get; init; } = TableEntries;

    public ulong RedundantDirectorySector { get; init; }

    public ulong DirectorySector { get; init; }

    /// <summary>Sectors in front of the first grain.</summary>
    public ulong OverheadSectors { get; init; }

    public ushort Compression { get; init; }

    public ulong GrainBytes => GrainSectors * SectorBytes;

    /// <summary>Bytes of disk behind one grain table.</summary>
    public ulong TableCoverage => EntriesPerTable * GrainBytes;

    public ulong Tables => (CapacitySectors * SectorBytes + TableCoverage - 1) / TableCoverage;

    public bool IsCompressed => (Flags & VmdkFlags.CompressedGrains) != 0;

    public bool HasMarkers => (Flags & VmdkFlags.Markers) != 0;

    public bool HasZeroedGrains => (Flags & VmdkFlags.ZeroedGrains) != 0;

    public bool HasRedundantTables => (Flags & VmdkFlags.RedundantTables) != 0 && RedundantDirectorySector != 0;

    /// <summary>Reads and judges the header of an extent.</summary>
    /// <exception cref="ImageException">It is none, or asks for what is not supported.</exception>
    public static VmdkHeader Read(IImageFile file)
    {
        VmdkHeader header = Parse(file, 0);
        if (header.DirectorySector == DirectoryAtEnd) header = ReadFooter(file);
        header.Judge(file);
        return header;
    }

    /// <summary>The same with a directory.</summary>
    public VmdkHeader WithDirectory(ulong sector) => With(CapacitySectors, sector, RedundantDirectorySector);

    /// <summary>The same for a disk of another size, whose directories may lie elsewhere.</summary>
    /// <exception cref="ImageException">No directory can be so large.</exception>
    public VmdkHeader Resized(ulong capacitySectors, ulong directorySector, ulong redundantSector)
    {
        VmdkHeader header = With(capacitySectors, directorySector, redundantSector);
        return header.Tables * sizeof(uint) <= MostDirectoryBytes ? header : throw new ImageException($"a VMDK image cannot hold a disk of {capacitySectors} sectors");
    }

    public byte[] ToBytes()
    {
        byte[] bytes = new byte[Bytes];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4), Version);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), (uint)Flags);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(12), CapacitySectors);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(20), GrainSectors);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(28), DescriptorSector);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(36), DescriptorSectors);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(44), EntriesPerTable);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(48), RedundantDirectorySector);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(56), DirectorySector);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(64), OverheadSectors);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(73), NewLines);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(77), Compression);
        return bytes;
    }

    private VmdkHeader With(ulong capacitySectors, ulong directorySector, ulong redundantSector) => new(version)
    {
        Flags = Flags,
        CapacitySectors = capacitySectors,
        GrainSectors = GrainSectors,
        DescriptorSector = DescriptorSector,
        DescriptorSectors = DescriptorSectors,
        EntriesPerTable = EntriesPerTable,
        RedundantDirectorySector = redundantSector,
        DirectorySector = directorySector,
        OverheadSectors = OverheadSectors,
        Compression = Compression,
    };

    private static VmdkHeader ReadFooter(IImageFile file)
    {
        ulong length = file.Length;
        Span<byte> marker = stackalloc byte[16];
        if (length >= FooterBytes) file.Read(length - FooterBytes, marker);
        if (BinaryPrimitives.ReadUInt32LittleEndian(marker[12..]) != FooterMarker) throw new ImageException($"{file.Name} has no end: it was not written to its end, or cut off");
        return Parse(file, length - FooterBytes + SectorBytes);
    }

    private static VmdkHeader Parse(IImageFile file, ulong offset)
    {
        byte[] bytes = new byte[Bytes];
        file.Read(offset, bytes);
        uint magic = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        if (magic != Magic) throw new ImageException($"{file.Name} is no VMDK image");
        VmdkHeader header = new(BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(4)))
        {
            Flags = (VmdkFlags)BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(8)),
            CapacitySectors = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(12)),
            GrainSectors = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(20)),
            DescriptorSector = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(28)),
            DescriptorSectors = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(36)),
            EntriesPerTable = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(44)),
            RedundantDirectorySector = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(48)),
            DirectorySector = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(56)),
            OverheadSectors = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(64)),
            Compression = BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(77)),
        };
        if ((header.Flags & VmdkFlags.NewLineTest) != 0 && BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(73)) != NewLines)
            throw new ImageException($"{file.Name} was damaged by a copy that turned line ends");
        return header;
    }

    private void Judge(IImageFile file)
    {
        const VmdkFlags Known = VmdkFlags.NewLineTest | VmdkFlags.RedundantTables | VmdkFlags.ZeroedGrains | VmdkFlags.CompressedGrains | VmdkFlags.Markers;
        if (Version is 0 or > 3) throw new ImageException($"{file.Name}: VMDK version {Version} is not supported, 1 to 3 are");
        if ((Flags & ~Known) != 0) throw new ImageException($"{file.Name} needs features that are not known here (flags {(uint)(Flags & ~Known):x})");
        if (!ulong.IsPow2(GrainSectors) || GrainSectors is < 8 or > MostGrainSectors) throw new ImageException($"{file.Name}: a grain of {GrainSectors} sectors is no power of two from 8 to {MostGrainSectors}");
        if (EntriesPerTable is 0 or > TableEntries) throw new ImageException($"{file.Name}: a grain table has 1 to {TableEntries} entries, not {EntriesPerTable}");
        if (IsCompressed && Compression != Deflate) throw new ImageException($"{file.Name}: compression {Compression} is not supported, deflate is");
        if (CapacitySectors > long.MaxValue / SectorBytes || Tables * sizeof(uint) > MostDirectoryBytes) throw new ImageException($"{file.Name}: a disk of {CapacitySectors} sectors is too large");
        if (!IsInside(file, DirectorySector, Tables * sizeof(uint)) || (HasRedundantTables && !IsInside(file, RedundantDirectorySector, Tables * sizeof(uint))))
            throw new ImageException($"{file.Name}: the grain directory does not lie in the file");
        if (DescriptorSector != 0 && (DescriptorSectors > MostDescriptorBytes / SectorBytes || !IsInside(file, DescriptorSector, DescriptorSectors * SectorBytes)))
            throw new ImageException($"{file.Name}: the descriptor does not lie in the file, or has more than {MostDescriptorBytes >> 10} KiB");
    }

    private static bool IsInside(IImageFile file, ulong sector, ulong bytes)
        => sector != 0 && sector <= long.MaxValue / SectorBytes && bytes <= file.Length && sector * SectorBytes <= file.Length - bytes;
}
