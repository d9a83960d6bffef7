using Vmm.Storage.Tools;

namespace Vmm.Storage.Vhd;

/// <summary>Looking for contradictions, and mending them.</summary>
internal sealed partial class VhdSparseImage
{
    /// <summary>Checks the image. Nobody else uses it meanwhile.</summary>
    /// <param name="repair">What may be changed.</param>
    public ImageCheckResult Check(ImageRepair repair)
    {
        if (repair != ImageRepair.None && IsReadOnly) throw new ImageException($"{Name} is open for reading only");
        lock (Gate)
        {
            ImageCheckResult found = Examine();
            if (repair == ImageRepair.None || found.IsClean) return found;
            if (repair == ImageRepair.All) DropImpossible();
            if (repair == ImageRepair.All || found.Corruptions == 0) MendEnd();
            ImageCheckResult after = Examine();
            after.LeaksFixed = found.Leaks - Math.Min(found.Leaks, after.Leaks);
            after.CorruptionsFixed = found.Corruptions - Math.Min(found.Corruptions, after.Corruptions);
            return after;
        }
    }

    private ImageCheckResult Examine()
    {
        ImageCheckResult result = new() { TotalClusters = Blocks };
        List<(ulong Start, ulong End, uint Block)> places = [];
        ulong front = Math.Max(_footer.DataOffset + VhdHeader.Bytes, _header.TableOffset + _header.TableBytes);
        for (uint block = 0; block < _header.Entries; block++)
        {
            uint entry = Entry(block);
            if (entry == NoBlock) continue;
            ulong place = entry * SectorBytes;
            if (block >= Blocks)
            {
                if (place != 0) result.Leak($"block {block} lies behind the end of the disk");
                continue;
            }

            if (!CanBe(place)) result.Corruption($"block {block} lies at 0x{place:x}, where none can be");
            else places.Add((place, place + PlaceBytes, block));
            result.AllocatedClusters++;
        }

        JudgeOverlaps(result, places);
        ulong used = places.Count == 0 ? front : Math.Max(front, places[^1].End);
        for (int i = 0; i < VhdLocator.Count && IsDifferencing; i++)
        {
            if (_header.Locator(i) is { Platform: not 0 } locator && locator.Offset < File.Length) used = Math.Max(used, locator.Offset + locator.Length);
        }

        result.EndOffset = used;
        JudgeFooters(result, used);
        return result;
    }

    private static void JudgeOverlaps(ImageCheckResult result, List<(ulong Start, ulong End, uint Block)> places)
    {
        places.Sort();
        for (int i = 1; i < places.Count; i++)
        {
            if (places[i].Start < places[i - 1].End) result.Corruption($"blocks {places[i - 1].Block} and {places[i].Block} overlap at 0x{places[i].Start:x}");
        }
    }

    private void JudgeFooters(ImageCheckResult result, ulong used)
    {
        VhdFooter? front = VhdFooters.ReadFront(File);
        VhdFooter? end = VhdFooters.ReadEnd(File);
        if (front is null) result.Corruption("the copy of the footer at the front is not whole");
        if (end is null) result.Corruption("there is no whole footer at the end");
        // A crash may have come between the two; the one at the front counts.
        if (front is not null && end is not null && !front.Content.SequenceEqual(end.Content)) result.Leak("the footer at the end differs from its copy at the front");
        ulong expected = used + VhdFooter.Bytes;
        ulong behind = File.Length - Math.Min(File.Length, expected);
        // Alignment, and what other programs leave between; a whole block is more than that.
        if (behind >= PlaceBytes) result.Leak($"nothing refers to the last {behind} bytes");
    }

    private bool CanBe(ulong place)
    {
        ulong tableEnd = _header.TableOffset + _header.TableBytes;
        bool hitsTable = place < tableEnd && place + PlaceBytes > _header.TableOffset;
        return place >= _footer.DataOffset + VhdHeader.Bytes && place + PlaceBytes <= File.Length && !hitsTable;
    }

    // Their content lies nowhere: they read as zeros, or as the parent.
    private void DropImpossible()
    {
        for (uint block = 0; block < _header.Entries; block++)
        {
            uint entry = Entry(block);
            if (entry != NoBlock && (block >= Blocks || !CanBe(entry * SectorBytes))) SetEntry(block, NoBlock);
        }

        WriteTables();
        File.Flush();
    }

    private void MendEnd()
    {
        FileEnd = (Examine().EndOffset + SectorBytes - 1) / SectorBytes * SectorBytes;
        File.SetLength(FileEnd);
        WriteFooters(_footer);
    }
}
