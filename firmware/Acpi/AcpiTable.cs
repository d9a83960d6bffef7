using System.Buffers.Binary;
using System.Text;

namespace Vmm.Firmware.Acpi;

/// <summary>A system description table with its header (ACPI 6.5 §5.2.6), filled by offset or from the end.</summary>
internal sealed class AcpiTable
{
    public const int HeaderBytes = 36;

    private const int LengthOffset = 4;
    private const int ChecksumOffset = 9;
    private const uint OemRevision = 1;

    private readonly List<byte> _bytes = [];

    /// <param name="signature">Four characters.</param>
    /// <param name="revision">Revision of the table's layout.</param>
    /// <param name="sizeBytes">Length with the header; it grows with what is appended.</param>
    public AcpiTable(string signature, byte revision, int sizeBytes = HeaderBytes)
    {
        Append(Encoding.ASCII.GetBytes(signature));
        Append(0u);
        Append([revision, 0]);
        Append("VMM   "u8);
        Append("VMM     "u8);
        Append(OemRevision);
        Append("VMM "u8);
        Append(OemRevision);
        _bytes.AddRange(new byte[sizeBytes - HeaderBytes]);
    }

    public AcpiTable Append(ReadOnlySpan<byte> bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    public AcpiTable Append(uint value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return Append(bytes);
    }

    public AcpiTable Append(ulong value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        return Append(bytes);
    }

    public void Set(int offset, byte value) => _bytes[offset] = value;

    public void Set(int offset, ushort value)
    {
        for (int i = 0; i < sizeof(ushort); i++) _bytes[offset + i] = (byte)(value >> (8 * i));
    }

    public void Set(int offset, uint value)
    {
        for (int i = 0; i < sizeof(uint); i++) _bytes[offset + i] = (byte)(value >> (8 * i));
    }

    public void Set(int offset, ulong value)
    {
        for (int i = 0; i < sizeof(ulong); i++) _bytes[offset + i] = (byte)(value >> (8 * i));
    }

    /// <summary>The table with length and checksum.</summary>
    public byte[] Close()
    {
        Set(LengthOffset, (uint)_bytes.Count);
        Set(ChecksumOffset, (byte)0);
        byte[] table = [.. _bytes];
        table[ChecksumOffset] = Checksum(table);
        return table;
    }

    /// <summary>The byte that makes the sum of all zero.</summary>
    public static byte Checksum(ReadOnlySpan<byte> bytes)
    {
        byte sum = 0;
        foreach (byte b in bytes) sum += b;
        return (byte)-sum;
    }
}
