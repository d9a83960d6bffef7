namespace Vmm.Storage.Vhd;

/// <summary>Getting the tables into the file, in an order that a crash can cut anywhere; changing the size.</summary>
internal sealed partial class VhdSparseImage
{
    protected override void ResizeCore(ulong sizeBytes)
    {
        if (IsDifferencing) throw new ImageException($"{Name} is a differencing disk, which has the size of its parent");
        VhdCreator.SizeFor(sizeBytes, force: true);
        Alone(() =>
        {
            DropBehind(Math.Min(_sizeBytes, sizeBytes));
            WriteTables();
            File.Flush();
            uint entries = (uint)((sizeBytes + BlockBytes - 1) / BlockBytes);
            if (entries > _header.Entries) MoveTable(entries);
            WriteFooters(_footer.Resized(sizeBytes));
            Volatile.Write(ref _sizeBytes, sizeBytes);
        });
    }

    protected override void Close()
    {
        base.Close();
        lock (Gate) TrimEnd();
    }

    // Free places at the end go; a whole footer is there before and after.
    private void TrimEnd()
    {
        if (Free.Count == 0) return;
        ulong used = Parts().Max(p => p.End);
        ulong end = FileEnd;
        foreach ((ulong place, _) in Free.OrderByDescending(f => f.Place))
        {
            // Between two places there is alignment, or what is no block.
            if (place < used || end - (place + PlaceBytes) >= DataAlignment) break;
            end = place;
        }

        if (end == FileEnd) return;
        File.Write(end, _footer.Content);
        File.Flush();
        File.SetLength(end + VhdFooter.Bytes);
        FileEnd = end;
        Free.Clear();
    }

    // What the disk does not show must be zeros when it grows.
    private void DropBehind(ulong sizeBytes)
    {
        ulong inBlock = sizeBytes % BlockBytes;
        uint first = (uint)((sizeBytes + BlockBytes - 1) / BlockBytes);
        if (inBlock != 0 && PlaceOf(first - 1) is not 0 and ulong place) ZeroWriter.Zero(File, place + BitmapBytes + inBlock, BlockBytes - inBlock, mayUnmap: true);
        for (uint block = first; block < _header.Entries; block++)
        {
            if (Entry(block) == NoBlock) continue;
            if (block < Blocks) FreeLater(PlaceOf(block));
            SetEntry(block, NoBlock);
        }
    }

    // The new table is whole before the header, one sector of it, says where it is.
    private void MoveTable(uint entries)
    {
        ulong table = FileEnd;
        VhdHeader header = _header.WithTable(table, entries);
        ulong end = table + header.TableBytes;
        byte[] old = new byte[PageBytes];
        VhdCreator.ClearTable(File, table, 0, entries);
        for (ulong at = 0; at < (ulong)_header.Entries * sizeof(uint); at += PageBytes)
        {
            int part = (int)Math.Min(PageBytes, (ulong)_header.Entries * sizeof(uint) - at);
            File.Read(_header.TableOffset + at, old.AsSpan(0, part));
            File.Write(table + at, old.AsSpan(0, part));
        }

        File.Write(end, _footer.Content);
        File.Flush();
        Cache.Clear();
        FileEnd = end;
        File.Write(_footer.DataOffset, header.Content);
        File.Flush();
        _header = header;
    }

    private void WriteFooters(VhdFooter footer)
    {
        File.Write(0, footer.Content);
        File.Flush();
        File.Write(FileEnd, footer.Content);
        File.Flush();
        _footer = footer;
    }

    /// <summary>Gets an image ready for changes: no two blocks share bytes, and a footer is at the end.</summary>
    private void Prepare()
    {
        ulong length = File.Length;
        FileEnd = length;
        VhdFooter? last = VhdFooters.ReadEnd(File);
        List<(ulong Start, ulong End, string What)> parts = Parts();
        parts.Sort();
        for (int i = 1; i < parts.Count; i++)
        {
            if (parts[i].Start < parts[i - 1].End)
                throw ImageException.Corrupt($"{Name}: {parts[i].What} overlaps {parts[i - 1].What} at 0x{parts[i].Start:x}; 'vmm image check' says more");
        }

        ulong used = parts.Count == 0 ? 0 : parts[^1].End;
        if (used > length) throw ImageException.Corrupt($"{Name}: {parts[^1].What} lies beyond the end of the file");
        if (last is not null && used <= length - VhdFooter.Bytes)
        {
            FileEnd = length - VhdFooter.Bytes;
            // A crash came between the two when the size changed.
            if (!last.Content.SequenceEqual(_footer.Content)) WriteFooters(_footer);
            return;
        }

        // Cut off while it grew: what is behind the last block is nothing yet.
        FileEnd = (used + SectorBytes - 1) / SectorBytes * SectorBytes;
        File.SetLength(FileEnd);
        File.Write(FileEnd, _footer.Content);
        File.Flush();
    }

    /// <summary>Everything that has a place in the file, but for the footer at the end.</summary>
    private List<(ulong Start, ulong End, string What)> Parts()
    {
        List<(ulong Start, ulong End, string What)> parts =
        [
            (0, VhdFooter.Bytes, "the footer's copy"),
            (_footer.DataOffset, _footer.DataOffset + VhdHeader.Bytes, "the dynamic header"),
            (_header.TableOffset, _header.TableOffset + _header.TableBytes, "the block table"),
        ];
        for (int i = 0; i < VhdLocator.Count && IsDifferencing; i++)
        {
            VhdLocator locator = _header.Locator(i);
            if (locator.Platform != 0 && locator.Offset <= File.Length) parts.Add((locator.Offset, locator.Offset + locator.Length, "a parent's name"));
        }

        for (uint block = 0; block < Blocks; block++)
        {
            if (PlaceOf(block) is not 0 and ulong place) parts.Add((place, place + PlaceBytes, "a block"));
        }

        return parts;
    }
}
