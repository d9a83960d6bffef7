using System.Buffers.Binary;
using System.Text;

namespace Vmm.Storage.Vhd;

/// <summary>
/// The footer, at the end of each image and once more at the front of those that grow (VHD specification 1.0, "Hard Disk Footer
/// Format"). What it holds beside the fields here is kept as it was.
/// </summary>
internal sealed class VhdFooter
{
    public const int Bytes = 512;

    /// <summary>No offset.</summary>
    public const ulong Nowhere = ulong.MaxValue;

    /// <summary>2040 GiB, the largest disk that readers of the format agree on.</summary>
    public const ulong MostDiskBytes = 2040UL << 30;

    private const int FeaturesAt = 8;
    private const int VersionAt = 12;
    private const int DataOffsetAt = 16;
    private const int TimestampAt = 24;
    private const int CreatorAt = 28;
    private const int CreatorVersionAt = 32;
    private const int CreatorHostAt = 36;
    private const int OriginalSizeAt = 40;
    private const int CurrentSizeAt = 48;
    private const int GeometryAt = 56;
    private const int DiskTypeAt = 60;
    private const int ChecksumAt = 64;
    private const int UniqueIdAt = 68;
    private const int UniqueIdBytes = 16;
    private const uint ReservedFeature = 2;
    private const uint FormatVersion = 0x10000;

    // Their images have the size that stands in bytes; all others have that of their geometry (Virtual PC knows no other).
    private static readonly string[] SizedCreators = ["win ", "qem2", "d2v ", "CTXS", "tap\0", "wa\0\0"];

    private readonly byte[] _bytes;

    private VhdFooter(byte[] bytes) => _bytes = bytes;

    public ulong DataOffset => BinaryPrimitives.ReadUInt64BigEndian(_bytes.AsSpan(DataOffsetAt));

    public uint Timestamp => BinaryPrimitives.ReadUInt32BigEndian(_bytes.AsSpan(TimestampAt));

    public string Creator => Encoding.Latin1.GetString(_bytes, CreatorAt, 4);

    public VhdDiskType DiskType => (VhdDiskType)BinaryPrimitives.ReadUInt32BigEndian(_bytes.AsSpan(DiskTypeAt));

    public ulong CurrentBytes => BinaryPrimitives.ReadUInt64BigEndian(_bytes.AsSpan(CurrentSizeAt));

    public ReadOnlySpan<byte> UniqueId => _bytes.AsSpan(UniqueIdAt, UniqueIdBytes);

    public VhdGeometry Geometry => new(BinaryPrimitives.ReadUInt16BigEndian(_bytes.AsSpan(GeometryAt)), _bytes[GeometryAt + 2], _bytes[GeometryAt + 3]);

    /// <summary>The disk's size is what its geometry covers.</summary>
    public bool IsSizedByGeometry => Geometry != VhdGeometry.Largest && !SizedCreators.Contains(Creator);

    public ulong DiskBytes => IsSizedByGeometry ? Geometry.Sectors * 512 : CurrentBytes;

    public ReadOnlySpan<byte> Content => _bytes;

    /// <summary>A footer out of its bytes.</summary>
    /// <returns>Null when they are none, or their checksum is wrong.</returns>
    public static VhdFooter? TryRead(ReadOnlySpan<byte> bytes)
    {
        if (!bytes.StartsWith("conectix"u8)) return null;
        return Checksum(bytes) == BinaryPrimitives.ReadUInt32BigEndian(bytes[ChecksumAt..]) ? new VhdFooter(bytes[..Bytes].ToArray()) : null;
    }

    /// <summary>A footer for a new image.</summary>
    public static VhdFooter Create(VhdDiskType type, ulong diskBytes, VhdGeometry geometry, DateTimeOffset now)
    {
        byte[] bytes = new byte[Bytes];
        "conectix"u8.CopyTo(bytes);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(FeaturesAt), ReservedFeature);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(VersionAt), FormatVersion);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(DataOffsetAt), type == VhdDiskType.Fixed ? Nowhere : Bytes);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(TimestampAt), (uint)Math.Max(0, (now - new DateTimeOffset(2000, 1, 1, 0, 0, 0, TimeSpan.Zero)).TotalSeconds));
        "vmm "u8.CopyTo(bytes.AsSpan(CreatorAt));
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(CreatorVersionAt), FormatVersion);
        "Wi2k"u8.CopyTo(bytes.AsSpan(CreatorHostAt));
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(OriginalSizeAt), diskBytes);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(DiskTypeAt), (uint)type);
        Guid.NewGuid().TryWriteBytes(bytes.AsSpan(UniqueIdAt));
        return new VhdFooter(bytes).WithSize(diskBytes, geometry);
    }

    /// <summary>The same with another size.</summary>
    public VhdFooter WithSize(ulong diskBytes, VhdGeometry geometry)
    {
        byte[] bytes = [.. _bytes];
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(CurrentSizeAt), diskBytes);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(GeometryAt), geometry.Cylinders);
        bytes[GeometryAt + 2] = geometry.Heads;
        bytes[GeometryAt + 3] = geometry.SectorsPerTrack;
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(ChecksumAt), Checksum(bytes));
        return new VhdFooter(bytes);
    }

    /// <summary>The same for a disk that was resized: a geometry that covers just that, or none.</summary>
    public VhdFooter Resized(ulong diskBytes)
    {
        VhdGeometry geometry = VhdGeometry.Of(diskBytes / 512);
        return WithSize(diskBytes, geometry.Sectors * 512 == diskBytes ? geometry : VhdGeometry.Largest);
    }

    /// <summary>The complement of the sum of all bytes but the checksum's own.</summary>
    public static uint Checksum(ReadOnlySpan<byte> bytes, int at = ChecksumAt)
    {
        uint sum = 0;
        foreach (byte b in bytes) sum += b;
        foreach (byte b in bytes.Slice(at, sizeof(uint))) sum -= b;
        return ~sum;
    }
}
