using System.Buffers.Binary;

namespace Vmm.Storage.Vhd;

/// <summary>Where a name of the parent stands in the file (VHD specification 1.0, "Parent Locator Entry").</summary>
/// <param name="Platform">Whose kind of name.</param>
/// <param name="Length">Bytes of the name.</param>
/// <param name="Offset">Its place in the file.</param>
internal readonly record struct VhdLocator(uint Platform, uint Length, ulong Offset)
{
    public const int Bytes = 24;
    public const int Count = 8;

    /// <summary>"W2ru": a relative Windows path in UTF-16, little-endian.</summary>
    public const uint W2ru = 0x57327275;

    /// <summary>"W2ku": an absolute one.</summary>
    public const uint W2ku = 0x57326b75;

    /// <summary>"MacX": a file URL in UTF-8.</summary>
    public const uint MacX = 0x4d616358;

    /// <summary>Room for a name in our images.</summary>
    public const uint SpaceBytes = 4096;

    private const int SpaceAt = 4;
    private const int LengthAt = 8;
    private const int OffsetAt = 16;

    public static VhdLocator Read(ReadOnlySpan<byte> bytes) => new(
        BinaryPrimitives.ReadUInt32BigEndian(bytes),
        BinaryPrimitives.ReadUInt32BigEndian(bytes[LengthAt..]),
        BinaryPrimitives.ReadUInt64BigEndian(bytes[OffsetAt..]));

    public void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt32BigEndian(bytes, Platform);
        BinaryPrimitives.WriteUInt32BigEndian(bytes[SpaceAt..], SpaceBytes);
        BinaryPrimitives.WriteUInt32BigEndian(bytes[LengthAt..], Length);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[OffsetAt..], Offset);
    }
}
