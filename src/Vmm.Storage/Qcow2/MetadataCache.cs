using System.Buffers.Binary;

namespace Vmm.Storage.Qcow2;

/// <summary>
/// The tables of an image, page by page, in bounded memory. Dirty pages leave it only through <see cref="WriteDirty"/>, whose caller
/// keeps the order that a crash needs. Used under the image's metadata lock.
/// </summary>
internal sealed class MetadataCache(IImageFile file, int pageBytes, int mostPages, Action makeRoom)
{
    private readonly Dictionary<ulong, MetadataPage> _pages = [];
    private readonly List<MetadataPage> _ring = [];
    private readonly List<MetadataPage> _dirty = [];
    private int _hand;
    private MetadataPage? _last;

    public int PageBytes => pageBytes;

    public bool HasDirty => _dirty.Count != 0;

    /// <summary>So many pages wait to be written that a look-up may soon have to write them first.</summary>
    public bool IsCrowded => _dirty.Count > mostPages / 2;

    /// <summary>Counts changes of what stands in the file.</summary>
    public ulong FileVersion { get; private set; }

    /// <summary>Whether a byte of the file can be had without reading.</summary>
    public bool Has(ulong offset) => _pages.ContainsKey(offset & ~((ulong)pageBytes - 1));

    /// <summary>Takes in a page that was read without the lock.</summary>
    /// <param name="offset">Of its first byte.</param>
    /// <param name="data">Its content.</param>
    /// <param name="version"><see cref="FileVersion"/> before it was read: content from before a change is not taken.</param>
    public void Insert(ulong offset, ReadOnlySpan<byte> data, ulong version)
    {
        if (FileVersion != version || _pages.ContainsKey(offset)) return;
        MetadataPage page = Room();
        data.CopyTo(page.Data);
        page.Offset = offset;
        page.WasUsed = true;
        _pages.Add(offset, page);
    }

    /// <summary>The page that holds a byte of the file.</summary>
    public MetadataPage Get(ulong offset)
    {
        ulong start = offset & ~((ulong)pageBytes - 1);
        if (_last is { } last && last.Offset == start) return last;
        if (!_pages.TryGetValue(start, out MetadataPage? page))
        {
            page = Room();
            file.Read(start, page.Data);
            page.Offset = start;
            _pages.Add(start, page);
        }

        page.WasUsed = true;
        return _last = page;
    }

    /// <summary>Reads one big-endian 64-bit entry.</summary>
    public ulong Read64(ulong offset) => BinaryPrimitives.ReadUInt64BigEndian(Get(offset).Data.AsSpan((int)(offset & (ulong)(pageBytes - 1))));

    /// <summary>Changes one big-endian 64-bit entry of a table.</summary>
    public void Write64(ulong offset, ulong value)
    {
        MetadataPage page = Get(offset);
        BinaryPrimitives.WriteUInt64BigEndian(page.Data.AsSpan((int)(offset & (ulong)(pageBytes - 1))), value);
        MarkDirty(page, isRefcount: false);
    }

    public void MarkDirty(MetadataPage page, bool isRefcount)
    {
        page.IsRefcount = isRefcount;
        page.Edits++;
        if (page.IsDirty) return;
        page.IsDirty = true;
        _dirty.Add(page);
    }

    /// <summary>Writes the dirty pages of one kind, in the order of their place.</summary>
    /// <returns>True when there were any.</returns>
    public bool WriteDirty(bool isRefcount)
    {
        List<MetadataPage> pages = _dirty.FindAll(p => p.IsRefcount == isRefcount);
        pages.Sort((a, b) => a.Offset.CompareTo(b.Offset));
        FileVersion++;
        foreach (MetadataPage page in pages)
        {
            file.Write(page.Offset, page.Data);
            page.IsDirty = false;
            page.Outdated++;
        }

        _dirty.RemoveAll(p => !p.IsDirty);
        return pages.Count != 0;
    }

    /// <summary>The dirty pages of tables as they are now, in the order of their place.</summary>
    public List<MetadataCopy> CopyDirtyTables()
    {
        List<MetadataCopy> copies = [];
        foreach (MetadataPage page in _dirty)
        {
            if (!page.IsRefcount) copies.Add(new MetadataCopy(page, page.Offset, [.. page.Data], page.Edits, page.Outdated));
        }

        copies.Sort((a, b) => a.Offset.CompareTo(b.Offset));
        return copies;
    }

    /// <summary>Writes copies, but for those that the file is ahead of. Pages that have changed since stay dirty.</summary>
    public void WriteCopies(List<MetadataCopy> copies)
    {
        FileVersion++;
        foreach (MetadataCopy copy in copies)
        {
            MetadataPage page = copy.Page;
            if (page.Outdated != copy.Outdated) continue;
            file.Write(copy.Offset, copy.Data);
            if (page.Edits == copy.Edits) page.IsDirty = false;
        }

        _dirty.RemoveAll(p => !p.IsDirty);
    }

    /// <summary>Forgets pages whose bytes were, or will be, something else.</summary>
    public void Forget(ulong offset, ulong count)
    {
        FileVersion++;
        for (ulong at = offset & ~((ulong)pageBytes - 1); at < offset + count; at += (ulong)pageBytes)
        {
            if (!_pages.Remove(at, out MetadataPage? page)) continue;
            if (page.IsDirty) _dirty.Remove(page);
            page.IsDirty = false;
            page.Outdated++;
            _ring.Remove(page);
        }

        _last = null;
    }

    /// <summary>Forgets everything, dirty or not.</summary>
    public void Clear()
    {
        FileVersion++;
        foreach (MetadataPage page in _ring) page.Outdated++;
        _pages.Clear();
        _ring.Clear();
        _dirty.Clear();
        _last = null;
        _hand = 0;
    }

    private MetadataPage Room()
    {
        if (_ring.Count < mostPages) return Add();
        // Two rounds clear every mark; only dirty pages can be left then.
        for (int i = 0; i < 2 * _ring.Count; i++)
        {
            _hand = (_hand + 1) % _ring.Count;
            MetadataPage page = _ring[_hand];
            if (page.IsDirty || page.WasUsed)
            {
                page.WasUsed = false;
                continue;
            }

            _pages.Remove(page.Offset);
            // A failed read must not leave it known under its old place.
            page.Offset = ulong.MaxValue;
            page.Outdated++;
            if (_last == page) _last = null;
            return page;
        }

        makeRoom();
        return _ring.TrueForAll(p => p.IsDirty) ? Add() : Room();
    }

    private MetadataPage Add()
    {
        MetadataPage page = new(pageBytes) { Offset = ulong.MaxValue };
        _ring.Add(page);
        return page;
    }
}
