using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Vmm.Storage.Qcow2;

/// <summary>Tables of big-endian 64-bit numbers that are kept in memory whole.</summary>
internal static class TableReader
{
    /// <summary>Entries of a sector, the unit of writing.</summary>
    public const int SectorEntries = 64;

    /// <summary>Reads a table.</summary>
    public static ulong[] Read(IImageFile file, ulong offset, int entries)
    {
        // A header that claims much would otherwise cost memory that no file stands behind.
        if (entries != 0 && offset >= file.Length) throw ImageException.Corrupt($"{file.Name}: a table lies beyond the end of the file");
        ulong[] table = new ulong[entries];
        file.Read(offset, MemoryMarshal.AsBytes(table.AsSpan()));
        BinaryPrimitives.ReverseEndianness(table, table);
        return table;
    }

    /// <summary>Writes the sectors that hold the given entries.</summary>
    public static void Write(IImageFile file, ulong offset, ReadOnlySpan<ulong> table, int from, int to)
    {
        from -= from % SectorEntries;
        to = Math.Min(table.Length, to - to % SectorEntries + SectorEntries);
        ulong[] turned = new ulong[to - from];
        BinaryPrimitives.ReverseEndianness(table[from..to], turned);
        file.Write(offset + (ulong)from * 8, MemoryMarshal.AsBytes(turned.AsSpan()));
    }
}
