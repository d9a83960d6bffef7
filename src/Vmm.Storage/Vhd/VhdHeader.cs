using System.Buffers.Binary;
using System.Text;

namespace Vmm.Storage.Vhd;

/// <summary>The header of an image that grows (VHD specification 1.0, "Dynamic Disk Header Format").</summary>
internal sealed class VhdHeader
{
    public const int Bytes = 1024;
    public const int DefaultBlockBytes = 2 << 20;

    private const int DataOffsetAt = 8;
    private const int TableOffsetAt = 16;
    private const int VersionAt = 24;
    private const int EntriesAt = 28;
    private const int BlockSizeAt = 32;
    private const int ChecksumAt = 36;
    private const int ParentIdAt = 40;
    private const int ParentIdBytes = 16;
    private const int ParentTimestampAt = 56;
    private const int ParentNameAt = 64;
    private const int ParentNameBytes = 512;
    private const int LocatorsAt = 576;
    private const uint FormatVersion = 0x10000;
    private const int SmallestBlockBytes = 4096;
    private const int LargestBlockBytes = 256 << 20;
    private const ulong MostTableBytes = 64 << 20;

    private readonly byte[] _bytes;

    private VhdHeader(byte[] bytes) => _bytes = bytes;

    public ulong TableOffset => BinaryPrimitives.ReadUInt64BigEndian(_bytes.AsSpan(TableOffsetAt));

    /// <summary>Entries of the block allocation table.</summary>
    public uint Entries => BinaryPrimitives.ReadUInt32BigEndian(_bytes.AsSpan(EntriesAt));

    public uint BlockBytes => BinaryPrimitives.ReadUInt32BigEndian(_bytes.AsSpan(BlockSizeAt));

    /// <summary>Bytes of the bitmap in front of each block: a bit for each sector, in whole sectors.</summary>
    public uint BitmapBytes => (BlockBytes / 512 / 8 + 511) / 512 * 512;

    public ulong TableBytes => ((ulong)Entries * sizeof(uint) + 511) / 512 * 512;

    public ReadOnlySpan<byte> ParentId => _bytes.AsSpan(ParentIdAt, ParentIdBytes);

    public ReadOnlySpan<byte> Content => _bytes;

    /// <summary>Where the image's parent lies, in the words of its maker.</summary>
    public string ParentName => Encoding.BigEndianUnicode.GetString(_bytes, ParentNameAt, ParentNameBytes).Split('\0')[0];

    public VhdLocator Locator(int index) => VhdLocator.Read(_bytes.AsSpan(LocatorsAt + index * VhdLocator.Bytes, VhdLocator.Bytes));

    /// <summary>Reads and judges a header.</summary>
    /// <exception cref="ImageException">It is none, or asks for what is not supported.</exception>
    public static VhdHeader Read(IImageFile file, VhdFooter footer)
    {
        ulong offset = footer.DataOffset;
        if (offset % 512 != 0 || offset < VhdFooter.Bytes || offset > long.MaxValue || offset + Bytes > file.Length)
            throw new ImageException($"{file.Name}: the dynamic header lies at an impossible place (0x{offset:x})");
        byte[] bytes = new byte[Bytes];
        file.Read(offset, bytes);
        if (!bytes.AsSpan().StartsWith("cxsparse"u8)) throw new ImageException($"{file.Name}: there is no dynamic header at 0x{offset:x}");
        if (VhdFooter.Checksum(bytes, ChecksumAt) != BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(ChecksumAt)))
            throw new ImageException($"{file.Name}: the dynamic header's checksum is wrong");
        VhdHeader header = new(bytes);
        header.Judge(file, footer.DiskBytes);
        return header;
    }

    /// <summary>A header for a new image; its table comes later.</summary>
    public static VhdHeader Create(uint entries, uint blockBytes, ulong tableOffset, VhdParent? parent)
    {
        byte[] bytes = new byte[Bytes];
        "cxsparse"u8.CopyTo(bytes);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(DataOffsetAt), VhdFooter.Nowhere);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(VersionAt), FormatVersion);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(BlockSizeAt), blockBytes);
        if (parent is not null)
        {
            parent.UniqueId.CopyTo(bytes.AsSpan(ParentIdAt));
            BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(ParentTimestampAt), parent.Timestamp);
            // Longer names are cut: the locator holds the whole.
            byte[] name = Encoding.BigEndianUnicode.GetBytes(Path.GetFileName(parent.Path));
            name.AsSpan(0, Math.Min(name.Length, ParentNameBytes)).CopyTo(bytes.AsSpan(ParentNameAt));
            parent.Locator.Write(bytes.AsSpan(LocatorsAt));
        }

        return new VhdHeader(bytes).WithTable(tableOffset, entries);
    }

    /// <summary>The same with another table. The fields lie in one sector.</summary>
    public VhdHeader WithTable(ulong offset, uint entries)
    {
        byte[] bytes = [.. _bytes];
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(TableOffsetAt), offset);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(EntriesAt), entries);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(ChecksumAt), VhdFooter.Checksum(bytes, ChecksumAt));
        return new VhdHeader(bytes);
    }

    private void Judge(IImageFile file, ulong diskBytes)
    {
        if (BinaryPrimitives.ReadUInt32BigEndian(_bytes.AsSpan(VersionAt)) >> 16 != FormatVersion >> 16)
            throw new ImageException($"{file.Name}: version {BinaryPrimitives.ReadUInt32BigEndian(_bytes.AsSpan(VersionAt)):x} of the dynamic header is not supported");
        if (!uint.IsPow2(BlockBytes) || BlockBytes is < SmallestBlockBytes or > LargestBlockBytes)
            throw new ImageException($"{file.Name}: a block size of {BlockBytes} bytes is no power of two from {SmallestBlockBytes} to {LargestBlockBytes}");
        if ((ulong)Entries * BlockBytes < diskBytes) throw new ImageException($"{file.Name}: the block table is too small for the disk's size");
        if (TableBytes > MostTableBytes) throw new ImageException($"{file.Name}: the block table has more than {MostTableBytes >> 20} MiB");
        if (TableOffset % 512 != 0 || TableOffset < VhdFooter.Bytes || TableOffset > long.MaxValue || TableOffset + TableBytes > file.Length)
            throw new ImageException($"{file.Name}: the block table does not lie in the file");
    }
}
