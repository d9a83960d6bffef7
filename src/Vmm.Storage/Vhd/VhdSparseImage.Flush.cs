namespace Vmm.Storage.Vhd;

/// <summary>Getting the tables into the file, in an order that a crash can cut anywhere; changing the size.</summary>
internal sealed partial class VhdSparseImage
{
    protected override void FlushCore()
    {
        _access.EnterWriteLock();
        try
        {
            lock (_gate)
            {
                if (!_isBroken) WriteTables();
                _file.Flush();
                if (!_isBroken) FreePending();
            }
        }
        finally
        {
            _access.ExitWriteLock();
        }
    }

    protected override void ResizeCore(ulong sizeBytes)
    {
        if (IsDifferencing) throw new ImageException($"{Name} is a differencing disk, which has the size of its parent");
        VhdCreator.SizeFor(sizeBytes, force: true);
        _access.EnterWriteLock();
        try
        {
            lock (_gate)
            {
                ThrowIfBroken();
                DropBehind(Math.Min(_sizeBytes, sizeBytes));
                WriteTables();
                _file.Flush();
                uint entries = (uint)((sizeBytes + BlockBytes - 1) / BlockBytes);
                if (entries > _header.Entries) MoveTable(entries);
                WriteFooters(_footer.Resized(sizeBytes));
                Volatile.Write(ref _sizeBytes, sizeBytes);
            }
        }
        finally
        {
            _access.ExitWriteLock();
        }
    }

    // The bits and entries come after all that they speak of.
    private void WriteTables()
    {
        if (!_cache.HasDirty) return;
        _file.Flush();
        _cache.WriteDirty(isRefcount: false);
    }

    private void FreePending()
    {
        foreach (ulong place in _pendingFree) _free.Push((place, _file.TryPunchHole(place, PlaceBytes)));
        _pendingFree.Clear();
    }

    private void Close()
    {
        lock (_gate)
        {
            WriteTables();
            _file.Flush();
            FreePending();
            TrimEnd();
        }
    }

    // Free places at the end go; a whole footer is there before and after.
    private void TrimEnd()
    {
        if (_free.Count == 0) return;
        ulong used = Parts().Max(p => p.End);
        ulong end = _end;
        foreach ((ulong place, _) in _free.OrderByDescending(f => f.Place))
        {
            // Between two places there is alignment, or what is no block.
            if (place < used || end - (place + PlaceBytes) >= DataAlignment) break;
            end = place;
        }

        if (end == _end) return;
        _file.Write(end, _footer.Content);
        _file.Flush();
        _file.SetLength(end + VhdFooter.Bytes);
        _end = end;
        _free.Clear();
    }

    // What the disk does not show must be zeros when it grows.
    private void DropBehind(ulong sizeBytes)
    {
        ulong inBlock = sizeBytes % BlockBytes;
        uint first = (uint)((sizeBytes + BlockBytes - 1) / BlockBytes);
        if (inBlock != 0 && PlaceOf(first - 1) is not 0 and ulong place) ZeroWriter.Zero(_file, place + BitmapBytes + inBlock, BlockBytes - inBlock, mayUnmap: true);
        for (uint block = first; block < _header.Entries; block++)
        {
            if (Entry(block) == NoBlock) continue;
            if (block < Blocks) _pendingFree.Add(PlaceOf(block));
            SetEntry(block, NoBlock);
        }
    }

    // The new table is whole before the header, one sector of it, says where it is.
    private void MoveTable(uint entries)
    {
        ulong table = _end;
        VhdHeader header = _header.WithTable(table, entries);
        ulong end = table + header.TableBytes;
        byte[] old = new byte[PageBytes];
        VhdCreator.ClearTable(_file, table, 0, entries);
        for (ulong at = 0; at < (ulong)_header.Entries * sizeof(uint); at += PageBytes)
        {
            int part = (int)Math.Min(PageBytes, (ulong)_header.Entries * sizeof(uint) - at);
            _file.Read(_header.TableOffset + at, old.AsSpan(0, part));
            _file.Write(table + at, old.AsSpan(0, part));
        }

        _file.Write(end, _footer.Content);
        _file.Flush();
        _cache.Clear();
        _end = end;
        _file.Write(_footer.DataOffset, header.Content);
        _file.Flush();
        _header = header;
    }

    private void WriteFooters(VhdFooter footer)
    {
        _file.Write(0, footer.Content);
        _file.Flush();
        _file.Write(_end, footer.Content);
        _file.Flush();
        _footer = footer;
    }

    /// <summary>Gets an image ready for changes: no two blocks share bytes, and a footer is at the end.</summary>
    private void Prepare()
    {
        ulong length = _file.Length;
        _end = length;
        VhdFooter? last = VhdFooters.ReadEnd(_file);
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
            _end = length - VhdFooter.Bytes;
            return;
        }

        // Cut off while it grew: what is behind the last block is nothing yet.
        _end = (used + SectorBytes - 1) / SectorBytes * SectorBytes;
        _file.SetLength(_end);
        _file.Write(_end, _footer.Content);
        _file.Flush();
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
            if (locator.Platform != 0 && locator.Offset <= _file.Length) parts.Add((locator.Offset, locator.Offset + locator.Length, "a parent's name"));
        }

        for (uint block = 0; block < Blocks; block++)
        {
            if (PlaceOf(block) is not 0 and ulong place) parts.Add((place, place + PlaceBytes, "a block"));
        }

        return parts;
    }
}
