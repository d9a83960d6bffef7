using System.Globalization;

namespace Vmm.Storage.Vmdk;

/// <summary>A line of a descriptor: a piece of the disk and the file that holds it.</summary>
/// <param name="Access">RW, RDONLY or NOACCESS.</param>
/// <param name="Sectors">Of the disk.</param>
/// <param name="Kind">FLAT, SPARSE, ZERO, …</param>
/// <param name="File">A name, if the kind needs one.</param>
/// <param name="OffsetSectors">Where a flat piece begins in its file.</param>
internal sealed record VmdkExtent(string Access, ulong Sectors, string Kind, string? File, ulong OffsetSectors)
{
    /// <summary>Reads <c>RW 4192256 SPARSE "disk-s001.vmdk" 0</c>.</summary>
    /// <returns>Null when it is something else.</returns>
    public static VmdkExtent? Parse(string line)
    {
        int quote = line.IndexOf('"', StringComparison.Ordinal);
        int end = quote < 0 ? -1 : line.IndexOf('"', quote + 1);
        if (quote >= 0 && end < 0) return null;
        string[] words = (quote < 0 ? line : line[..quote]).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length != 3 || !ulong.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out ulong sectors) || sectors > long.MaxValue / 512) return null;
        string rest = quote < 0 ? "" : line[(end + 1)..].Trim();
        ulong offset = 0;
        if (rest.Length != 0 && !ulong.TryParse(rest.Split(' ')[0], NumberStyles.None, CultureInfo.InvariantCulture, out offset)) return null;
        return offset > long.MaxValue / 512 ? null : new VmdkExtent(words[0], sectors, words[2], quote < 0 ? null : line[(quote + 1)..end], offset);
    }
}
