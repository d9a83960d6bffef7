using Vmm.Storage.Tools;

namespace Vmm.Storage.Vmdk;

/// <summary>Looking for contradictions, and mending them.</summary>
internal sealed partial class VmdkSparseImage
{
    /// <summary>Checks the image. Nobody else uses it meanwhile.</summary>
    /// <param name="repair">What may be changed.</param>
    public ImageCheckResult Check(ImageRepair repair)
    {
        if (repair != ImageRepair.None && IsReadOnly) throw new ImageException($"{Name} is open for reading only");
        lock (Gate)
        {
            ImageCheckResult found = Examine(ImageRepair.None);
            if (repair == ImageRepair.None || found.IsClean) return found;
            Examine(repair);
            WriteTables();
            File.Flush();
            ImageCheckResult after = Examine(ImageRepair.None);
            if (after.Corruptions == 0 && after.Leaks != 0)
            {
                File.SetLength(after.EndOffset);
                File.Flush();
                after = Examine(ImageRepair.None);
            }

            after.LeaksFixed = found.Leaks - Math.Min(found.Leaks, after.Leaks);
            after.CorruptionsFixed = found.Corruptions - Math.Min(found.Corruptions, after.Corruptions);
            return after;
        }
    }

    private ImageCheckResult Examine(ImageRepair mend)
    {
        ImageCheckResult result = new() { TotalClusters = (_sizeBytes + GrainBytes - 1) / GrainBytes };
        List<(ulong Start, ulong End)> parts = [(0, VmdkHeader.Bytes)];
        HashSet<ulong> tables = [];
        ulong tableBytes = _header.EntriesPerTable * sizeof(uint);
        parts.Add((_header.DirectorySector * SectorBytes, _header.DirectorySector * SectorBytes + _header.Tables * sizeof(uint)));
        if (_header.HasRedundantTables)
            parts.Add((_header.RedundantDirectorySector * SectorBytes, _header.RedundantDirectorySector * SectorBytes + _header.Tables * sizeof(uint)));
        for (ulong index = 0; index < _header.Tables; index++)
        {
            ulong table = TableToCheck(_header.DirectorySector, index, result);
            ulong copy = _header.HasRedundantTables ? TableToCheck(_header.RedundantDirectorySector, index, result) : 0;
            if (copy != 0) parts.Add((copy, copy + tableBytes));
            if (table == 0) continue;
            parts.Add((table, table + tableBytes));
            // Walked once only: a directory full of one table would take for ever.
            if (tables.Add(table)) ExamineTable(table, copy, result, parts, mend);
        }

        JudgeOverlaps(result, parts);
        return result;
    }

    private ulong TableToCheck(ulong directorySector, ulong index, ImageCheckResult result)
    {
        ulong table = Read32(directorySector * SectorBytes + index * sizeof(uint)) * SectorBytes;
        if (table == 0 || table + _header.EntriesPerTable * sizeof(uint) <= File.Length) return table;
        result.Corruption($"grain table {index} lies at 0x{table:x}, beyond the end of the file");
        return 0;
    }

    private void ExamineTable(ulong table, ulong copy, ImageCheckResult result, List<(ulong Start, ulong End)> parts, ImageRepair mend)
    {
        for (uint i = 0; i < _header.EntriesPerTable; i++)
        {
            uint entry = Read32(table + i * sizeof(uint));
            if (copy != 0 && Read32(copy + i * sizeof(uint)) != entry)
            {
                // After a crash one of the two may be ahead; what is lost was not flushed.
                result.Leak($"the copy of the grain table at 0x{table:x} differs at entry {i}");
                if (mend != ImageRepair.None) Write32(copy + i * sizeof(uint), entry);
            }

            if (entry == 0 || (entry == ZeroedGrain && _header.HasZeroedGrains)) continue;
            ulong place = entry * SectorBytes;
            if (!CanBe(place))
            {
                result.Corruption($"a grain lies at 0x{place:x}, where none can be");
                // Its content lies nowhere: it reads as zeros, or as the parent.
                if (mend == ImageRepair.All) SetEntry(table, copy, i, 0);
                continue;
            }

            result.AllocatedClusters++;
            if (_header.IsCompressed) result.CompressedClusters++;
            else parts.Add((place, place + GrainBytes));
        }
    }

    private void JudgeOverlaps(ImageCheckResult result, List<(ulong Start, ulong End)> parts)
    {
        parts.Sort();
        for (int i = 1; i < parts.Count; i++)
        {
            if (parts[i].Start < parts[i - 1].End) result.Corruption($"two parts overlap at 0x{parts[i].Start:x}");
        }

        result.EndOffset = _header.IsCompressed ? File.Length : parts.Max(p => p.End);
        ulong behind = File.Length - Math.Min(File.Length, result.EndOffset);
        if (behind >= GrainBytes) result.Leak($"nothing refers to the last {behind} bytes");
    }
}
