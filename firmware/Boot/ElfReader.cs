using System.Buffers;
using Vmm.Core.Memory;

namespace Vmm.Firmware.Boot;

/// <summary>Reads an ELF image from front to back, once, with one buffer: from a file, or while it is being unpacked.</summary>
internal sealed class ElfReader : IDisposable
{
    private const int ChunkBytes = 256 * 1024;

    private readonly BootFile _file;
    private readonly string _what;
    private readonly Stream _source;
    private readonly byte[] _chunk = ArrayPool<byte>.Shared.Rent(ChunkBytes);
    private int _chunkBytes;
    private ulong _chunkOffset;

    /// <param name="file">For messages.</param>
    /// <param name="what">As in <see cref="ElfImage.Parse"/>.</param>
    /// <param name="source">The image; disposed with this object.</param>
    public ElfReader(BootFile file, string what, Stream source)
    {
        _file = file;
        _what = what;
        _source = source;
    }

    public void Dispose()
    {
        _source.Dispose();
        ArrayPool<byte>.Shared.Return(_chunk);
    }

    /// <summary>True when the image begins as an ELF file does.</summary>
    public bool IsElf()
    {
        FirstChunk();
        return Magic.IsElf(_chunk.AsSpan(0, _chunkBytes));
    }

    /// <summary>Reads the headers. The first thing to do.</summary>
    /// <param name="imageBytes">The length of the image, or the most it can have.</param>
    public ElfImage ReadHeaders(ulong imageBytes)
    {
        FirstChunk();
        return ElfImage.Parse(_file, _what, _chunk.AsSpan(0, Math.Min(_chunkBytes, ElfImage.HeadBytes)), imageBytes);
    }

    /// <summary>Reads on to the end of the segments, puts those that load into guest memory when there is one, and zeroes their rest.</summary>
    /// <param name="image">What <see cref="ReadHeaders"/> gave.</param>
    /// <param name="memory">Where the segments go, checked to have room; null to read the notes only.</param>
    /// <returns>What the notes say.</returns>
    public XenNotes ReadSegments(ElfImage image, GuestMemory? memory)
    {
        byte[][] notes = [.. image.Notes.Select(n => new byte[n.FileBytes])];
        while (true)
        {
            for (int i = 0; i < notes.Length; i++)
            {
                if (Intersect(image.Notes[i], out Range inChunk, out ulong at)) _chunk.AsSpan(inChunk).CopyTo(notes[i].AsSpan((int)at));
            }

            if (memory is not null) Place(image, memory);
            ulong next = NextNeeded(image, memory is not null);
            if (next == ulong.MaxValue) break;
            if (!NextChunk(next)) throw _file.Error($"{_what}is truncated: it ends at 0x{_chunkOffset:x}, before its segments do");
        }

        if (memory is not null)
        {
            foreach (ElfSegment load in image.Loads)
                memory.Zero(new GuestAddress(load.PhysicalAddress + load.FileBytes), load.MemoryBytes - load.FileBytes);
        }

        XenNotes result = default;
        foreach (byte[] note in notes) result = result.With(note);
        return result;
    }

    private void Place(ElfImage image, GuestMemory memory)
    {
        foreach (ElfSegment load in image.Loads)
        {
            if (Intersect(load, out Range inChunk, out ulong at)) memory.Put(new GuestAddress(load.PhysicalAddress + at), _chunk.AsSpan(inChunk));
        }
    }

    /// <summary>The part of the chunk that belongs to a segment, and where in the segment it begins.</summary>
    private bool Intersect(ElfSegment segment, out Range inChunk, out ulong at)
    {
        ulong from = Math.Max(segment.FileOffset, _chunkOffset);
        ulong to = Math.Min(segment.FileEnd, _chunkOffset + (ulong)_chunkBytes);
        inChunk = default;
        at = from - segment.FileOffset;
        if (from >= to) return false;
        inChunk = (int)(from - _chunkOffset)..(int)(to - _chunkOffset);
        return true;
    }

    /// <summary>The first byte after this chunk that any segment holds; all ones when there is none.</summary>
    private ulong NextNeeded(ElfImage image, bool withLoads)
    {
        ulong end = _chunkOffset + (ulong)_chunkBytes;
        ulong next = ulong.MaxValue;
        foreach (ElfSegment segment in withLoads ? image.Notes.Concat(image.Loads) : image.Notes)
        {
            if (segment.FileEnd > end) next = Math.Min(next, Math.Max(segment.FileOffset, end));
        }

        return next;
    }

    private void FirstChunk()
    {
        if (_chunkBytes == 0) NextChunk(0);
    }

    /// <summary>Reads the next chunk; leaves out what lies before <paramref name="needed"/> where the source can do so.</summary>
    private bool NextChunk(ulong needed)
    {
        _chunkOffset += (ulong)_chunkBytes;
        if (_source.CanSeek && needed > _chunkOffset) _source.Position = (long)(_chunkOffset = needed);
        _chunkBytes = _source.ReadAtLeast(_chunk.AsSpan(0, ChunkBytes), ChunkBytes, throwOnEndOfStream: false);
        return _chunkBytes != 0;
    }
}
