using System.Buffers.Binary;
using System.IO.Compression;
using Vmm.Storage.Tools;

namespace Vmm.Storage.Vmdk;

/// <summary>
/// Writes a stream-optimized image from front to back (VMDK specification 5.0, "Stream-Optimized Compressed Sparse Extents"): grains
/// behind markers, each table behind its last grain, the directory and a copy of the header at the end.
/// </summary>
internal sealed class VmdkStreamWriter : ICompressedTarget
{
    private const ulong SectorBytes = VmdkHeader.SectorBytes;
    private const uint GrainTableMarker = 1;
    private const uint GrainDirectoryMarker = 2;
    private const uint FooterMarker = 3;
    private const uint EndOfStreamMarker = 0;
    private const int MarkerBytes = 12;

    private readonly IImageFile _file;
    private readonly VmdkHeader _header;
    private readonly uint[] _directory;
    private readonly uint[] _table = new uint[VmdkHeader.TableEntries];
    private ulong _end;
    private ulong _tableIndex;
    private bool _tableIsUsed;

    /// <param name="file">An empty file.</param>
    /// <param name="options">How.</param>
    public VmdkStreamWriter(IImageFile file, VmdkCreateOptions options)
    {
        VmdkCreator.Judge(options);
        _file = file;
        _header = new VmdkHeader(version: 3)
        {
            Flags = VmdkFlags.NewLineTest | VmdkFlags.CompressedGrains | VmdkFlags.Markers,
            CapacitySectors = options.SizeBytes / SectorBytes,
            DescriptorSector = VmdkCreator.DescriptorSector,
            DescriptorSectors = VmdkCreator.DescriptorSectors,
            DirectorySector = VmdkHeader.DirectoryAtEnd,
            OverheadSectors = VmdkHeader.DefaultGrainSectors,
            Compression = VmdkHeader.Deflate,
        };
        _directory = new uint[_header.Tables];
        file.Write(0, _header.ToBytes());
        file.Write(VmdkCreator.DescriptorSector * SectorBytes, VmdkCreator.Descriptor(file, options, "streamOptimized", null));
        _end = _header.OverheadSectors * SectorBytes;
    }

    public int UnitBytes => (int)_header.GrainBytes;

    // What cannot be compressed becomes a little longer.
    public int MostPackedBytes => UnitBytes + UnitBytes / 16 + 64;

    public int Pack(ReadOnlySpan<byte> unit, byte[] packed)
    {
        using MemoryStream output = new(packed);
        using (ZLibStream stream = new(output, CompressionLevel.Optimal, leaveOpen: true)) stream.Write(unit);
        return (int)output.Position;
    }

    public void WriteCompressed(ulong offset, ReadOnlySpan<byte> unit, ReadOnlySpan<byte> packed)
    {
        ulong index = offset / _header.TableCoverage;
        if (index != _tableIndex) WriteTable();
        _tableIndex = index;
        _tableIsUsed = true;
        _table[offset % _header.TableCoverage / _header.GrainBytes] = (uint)(_end / SectorBytes);
        byte[] grain = new byte[((ulong)(MarkerBytes + packed.Length) + SectorBytes - 1) / SectorBytes * SectorBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(grain, offset / SectorBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(grain.AsSpan(sizeof(ulong)), (uint)packed.Length);
        packed.CopyTo(grain.AsSpan(MarkerBytes));
        Append(grain);
    }

    /// <summary>Writes what comes behind the last grain.</summary>
    public void Finish()
    {
        WriteTable();
        byte[] directory = new byte[((ulong)_directory.Length * sizeof(uint) + SectorBytes - 1) / SectorBytes * SectorBytes];
        for (int i = 0; i < _directory.Length; i++) BinaryPrimitives.WriteUInt32LittleEndian(directory.AsSpan(i * sizeof(uint)), _directory[i]);
        AppendMarker((ulong)directory.Length / SectorBytes, GrainDirectoryMarker);
        ulong place = _end / SectorBytes;
        Append(directory);
        AppendMarker(1, FooterMarker);
        Append(_header.WithDirectory(place).ToBytes());
        AppendMarker(0, EndOfStreamMarker);
        _file.Flush();
    }

    private void WriteTable()
    {
        if (!_tableIsUsed) return;
        byte[] table = new byte[_table.Length * sizeof(uint)];
        for (int i = 0; i < _table.Length; i++) BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(i * sizeof(uint)), _table[i]);
        AppendMarker((ulong)table.Length / SectorBytes, GrainTableMarker);
        _directory[_tableIndex] = (uint)(_end / SectorBytes);
        Append(table);
        _table.AsSpan().Clear();
        _tableIsUsed = false;
    }

    private void AppendMarker(ulong sectors, uint type)
    {
        byte[] marker = new byte[SectorBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(marker, sectors);
        BinaryPrimitives.WriteUInt32LittleEndian(marker.AsSpan(MarkerBytes), type);
        Append(marker);
    }

    private void Append(byte[] bytes)
    {
        if ((_end + (ulong)bytes.Length) / SectorBytes > uint.MaxValue)
            throw new ImageException(Core.Backends.BlockResult.NoSpace, $"{_file.Name} has the largest size that a VMDK file can have");
        _file.Write(_end, bytes);
        _end += (ulong)bytes.Length;
    }
}
