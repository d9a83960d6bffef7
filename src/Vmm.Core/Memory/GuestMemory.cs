using System.Runtime.CompilerServices;
using Microsoft.Win32.SafeHandles;

namespace Vmm.Core.Memory;

/// <summary>
/// The guest's physical memory as the host sees it. Every access is bounds-checked and copies: the guest may change any byte at
/// any moment, so no reference into guest memory is ever handed out, except as an <see cref="IoVec"/> for the kernel and, to the
/// software CPU alone, as a pointer. A failed access returns false and has changed nothing that the caller can see.
/// Safe to call from any thread. Writes mark the page dirty and tell the software CPU of overwritten code.
/// </summary>
public sealed unsafe class GuestMemory
{
    // From here on the kernel copies into the memory's file: pages that are new then cost neither a fault nor a clearing each.
    private const int BulkBytes = 64 << 10;

    private readonly IPageDiscarder? _discarder;
    private GuestMemoryRegion[] _regions;
    private SafeFileHandle?[] _files;
    private byte[][] _flags;
    private ICodePageObserver? _codeObserver;
    private IDirtyLog? _dirtyLog;

    /// <param name="regions">The pieces, in any order; they must be page-aligned and must not overlap.</param>
    /// <param name="discarder">Gives pages back to the host; null where it cannot be done.</param>
    /// <exception cref="ArgumentException">A region is empty, misaligned, wraps, or overlaps another.</exception>
    public GuestMemory(IEnumerable<GuestMemoryRegion> regions, IPageDiscarder? discarder = null)
    {
        _discarder = discarder;
        (_regions, _files, _flags) = Lay(regions);
    }

    /// <summary>The regions in ascending order of address.</summary>
    public ReadOnlySpan<GuestMemoryRegion> Regions => _regions;

    /// <summary>The bytes of RAM and ROM together, without the memory of devices.</summary>
    public ulong TotalBytes
    {
        get
        {
            ulong total = 0;
            foreach (GuestMemoryRegion region in _regions) total += region.IsDevice ? 0 : region.SizeBytes;
            return total;
        }
    }

    /// <summary>Names the software CPU that wants to hear of writes to pages marked <see cref="PageFlags.Code"/>.</summary>
    public void SetCodeObserver(ICodePageObserver? observer) => _codeObserver = observer;

    /// <summary>Names who keeps account of written pages beside <see cref="CollectDirty"/>; null for nobody.</summary>
    public void SetDirtyLog(IDirtyLog? log) => Volatile.Write(ref _dirtyLog, log);

    /// <summary>Whether every byte of a range is memory, and none of it ROM where it is to be written. An empty range is.</summary>
    public bool Contains(GuestAddress from, ulong sizeBytes, bool forWrite)
    {
        ulong at = from.Value;
        while (sizeBytes != 0)
        {
            int region = Find(at);
            if (region < 0 || (forWrite && _regions[region].IsReadOnly)) return false;
            ulong part = Math.Min(sizeBytes, _regions[region].End - at);
            sizeBytes -= part;
            at += part;
        }

        return true;
    }

    /// <summary>Copies host bytes into the guest. ROM can be filled this way too. False when any byte lies outside memory; nothing is written then.</summary>
    public bool TryCopyIn(GuestAddress to, ReadOnlySpan<byte> bytes)
    {
        if (!Covers(to.Value, (ulong)bytes.Length)) return false;
        ulong at = to.Value;
        while (!bytes.IsEmpty)
        {
            int region = Find(at);
            int count = (int)Math.Min((ulong)bytes.Length, _regions[region].End - at);
            if (count < BulkBytes || !TryWriteFile(region, at, bytes[..count]))
            {
                // SAFETY: Find returned the region that holds `at`, and count ends within it; the mapping outlives this object.
                bytes[..count].CopyTo(new Span<byte>(Pointer(region, at), count));
            }

            MarkWritten(region, at, (ulong)count);
            bytes = bytes[count..];
            at += (ulong)count;
        }

        return true;
    }

    /// <summary>Copies guest bytes out. False when any byte lies outside memory.</summary>
    public bool TryCopyOut(GuestAddress from, Span<byte> bytes)
    {
        if (!Covers(from.Value, (ulong)bytes.Length)) return false;
        ulong at = from.Value;
        while (!bytes.IsEmpty)
        {
            int region = Find(at);
            int count = (int)Math.Min((ulong)bytes.Length, _regions[region].End - at);
            // SAFETY: as in TryCopyIn.
            new ReadOnlySpan<byte>(Pointer(region, at), count).CopyTo(bytes);
            bytes = bytes[count..];
            at += (ulong)count;
        }

        return true;
    }

    /// <summary>Fills a range with one byte value. False when any byte lies outside memory; nothing is written then.</summary>
    public bool TryFill(GuestAddress to, ulong count, byte value)
    {
        if (!Covers(to.Value, count)) return false;
        ulong at = to.Value;
        while (count != 0)
        {
            int region = Find(at);
            ulong part = Math.Min(count, _regions[region].End - at);
            // SAFETY: as in TryCopyIn.
            NativeFill(Pointer(region, at), part, value);
            MarkWritten(region, at, part);
            count -= part;
            at += part;
        }

        return true;
    }

    /// <summary>
    /// Gives whole pages of RAM back to the host; they read as zero until they are written again. I/O that is under way into them is lost,
    /// and harms nobody else.
    /// </summary>
    /// <returns>False when a byte is no RAM, the range is not of whole pages, or the host cannot. Some of the pages may be given back even then.</returns>
    public bool TryDiscard(GuestAddress from, ulong sizeBytes)
    {
        if (_discarder is null || ((from.Value | sizeBytes) & (GuestAddress.PageSize - 1)) != 0 || !Contains(from, sizeBytes, forWrite: true)) return false;
        ulong at = from.Value;
        while (sizeBytes != 0)
        {
            int region = Find(at);
            GuestMemoryRegion memory = _regions[region];
            ulong part = Math.Min(sizeBytes, memory.End - at);
            if (memory.IsDevice || memory.FileDescriptor < 0 || !_discarder.TryDiscard(memory.FileDescriptor, memory.FileOffset + (at - memory.Start.Value), part)) return false;
            MarkWritten(region, at, part);
            sizeBytes -= part;
            at += part;
        }

        return true;
    }

    /// <summary>Reads one little-endian value, aligned or not. The value is read once.</summary>
    public bool TryRead<T>(GuestAddress from, out T value) where T : unmanaged
    {
        byte* pointer = PointerTo(from.Value, (uint)sizeof(T));
        if (pointer == null)
        {
            value = default;
            // A value across two adjacent regions is rare; the copying path serves it.
            return TryCopyOut(from, new Span<byte>(Unsafe.AsPointer(ref value), sizeof(T)));
        }

        // SAFETY: PointerTo checked all sizeof(T) bytes.
        value = Unsafe.ReadUnaligned<T>(pointer);
        return true;
    }

    /// <summary>Writes one little-endian value, aligned or not.</summary>
    public bool TryWrite<T>(GuestAddress to, T value) where T : unmanaged
        // SAFETY: the span covers exactly the local parameter.
        => TryCopyIn(to, new ReadOnlySpan<byte>(&value, sizeof(T)));

    /// <summary>Reads a naturally aligned ring index with acquire order. False also when it is not aligned.</summary>
    public bool TryReadAcquire(GuestAddress from, out ushort value)
    {
        value = 0;
        byte* pointer = (from.Value & 1) == 0 ? PointerTo(from.Value, 2) : null;
        if (pointer == null) return false;
        // SAFETY: two aligned bytes inside a live mapping.
        value = Volatile.Read(ref *(ushort*)pointer);
        return true;
    }

    /// <summary>Writes a naturally aligned ring index with release order. False also when it is not aligned.</summary>
    public bool TryWriteRelease(GuestAddress to, ushort value)
    {
        byte* pointer = (to.Value & 1) == 0 ? PointerTo(to.Value, 2) : null;
        if (pointer == null) return false;
        // SAFETY: two aligned bytes inside a live mapping.
        Volatile.Write(ref *(ushort*)pointer, value);
        MarkWritten(Find(to.Value), to.Value, 2);
        return true;
    }

    /// <summary>
    /// Turns a guest range into vectors for readv or writev. Mapped memory never moves, so the pin needs no release; a range that
    /// the kernel will write to is marked dirty, and its code dropped, by <see cref="MarkWritten(GuestAddress, ulong)"/> once the I/O is done.
    /// </summary>
    /// <returns>False when a byte lies outside memory, the range is ROM and <paramref name="forWrite"/>, or <paramref name="vectors"/> is too short.</returns>
    public bool TryPin(GuestAddress from, ulong sizeBytes, bool forWrite, Span<IoVec> vectors, out int count)
    {
        count = 0;
        if (!Covers(from.Value, sizeBytes)) return false;
        ulong at = from.Value;
        while (sizeBytes != 0)
        {
            int region = Find(at);
            if (count == vectors.Length || (forWrite && _regions[region].IsReadOnly)) return false;
            ulong part = Math.Min(sizeBytes, _regions[region].End - at);
            vectors[count++] = new IoVec((nint)Pointer(region, at), (nuint)part);
            sizeBytes -= part;
            at += part;
        }

        return true;
    }

    /// <summary>Says that a pinned range was written by the kernel: marks it dirty and drops decoded code. Bytes outside memory are ignored.</summary>
    public void MarkWritten(GuestAddress from, ulong sizeBytes)
    {
        ulong at = from.Value;
        while (sizeBytes != 0)
        {
            int region = Find(at);
            if (region < 0) return;
            ulong part = Math.Min(sizeBytes, _regions[region].End - at);
            MarkWritten(region, at, part);
            sizeBytes -= part;
            at += part;
        }
    }

    /// <summary>
    /// The host address of a guest page, for the software CPU's TLB and nobody else. Null outside memory.
    /// The pointer is good for the rest of that page for as long as this object is in use.
    /// </summary>
    /// <param name="gpa">Any guest-physical address in the page.</param>
    /// <param name="flags">Points to the page's <see cref="PageFlags"/>; never moves.</param>
    /// <param name="isReadOnly">True for ROM.</param>
    public byte* PagePointer(ulong gpa, out byte* flags, out bool isReadOnly)
    {
        int region = Find(gpa);
        if (region < 0)
        {
            flags = null;
            isReadOnly = false;
            return null;
        }

        ulong page = (gpa - _regions[region].Start.Value) >> GuestAddress.PageShift;
        // SAFETY: the array is pinned for its life and has one byte for every page of the region.
        flags = (byte*)Unsafe.AsPointer(ref _flags[region][page]);
        isReadOnly = _regions[region].IsReadOnly;
        return Pointer(region, gpa & ~(ulong)(GuestAddress.PageSize - 1));
    }

    /// <summary>Collects and clears the dirty marks of one region: bit n of word n/64 is page n. A running software CPU must be told to write through its TLB again.</summary>
    /// <param name="region">Index in <see cref="Regions"/>.</param>
    /// <param name="bitmap">At least one bit for each page.</param>
    public void CollectDirty(int region, Span<ulong> bitmap)
    {
        byte[] flags = _flags[region];
        bitmap[..((flags.Length + 63) / 64)].Clear();
        for (int page = 0; page < flags.Length; page++)
        {
            if ((Volatile.Read(ref flags[page]) & (byte)PageFlags.Dirty) == 0) continue;
            AtomicFlags.Clear(ref flags[page], (byte)PageFlags.Dirty);
            bitmap[page / 64] |= 1UL << (page % 64);
        }
    }

    /// <summary>Puts other regions in the place of all that there are. Nobody may be using the memory; whoever uses it next has synchronized with this.</summary>
    /// <exception cref="ArgumentException">As the constructor's; nothing has changed.</exception>
    public void Replace(IEnumerable<GuestMemoryRegion> regions) => (_regions, _files, _flags) = Lay(regions);

    private static (GuestMemoryRegion[] Regions, SafeFileHandle?[] Files, byte[][] Flags) Lay(IEnumerable<GuestMemoryRegion> pieces)
    {
        GuestMemoryRegion[] regions = [.. pieces.OrderBy(r => r.Start.Value)];
        ulong end = 0;
        foreach (GuestMemoryRegion region in regions)
        {
            bool aligned = ((region.Start.Value | region.SizeBytes) & (GuestAddress.PageSize - 1)) == 0;
            if (!aligned || region.SizeBytes == 0 || region.End < region.Start.Value || region.Start.Value < end)
                throw new ArgumentException($"guest memory region at {region.Start} with {region.SizeBytes} bytes is misaligned, empty or overlaps");
            end = region.End;
        }

        // The flags are pinned, because the software CPU keeps a pointer to those of a page in its TLB path.
        return (regions,
            [.. regions.Select(r => r.FileDescriptor < 0 ? null : new SafeFileHandle(r.FileDescriptor, ownsHandle: false))],
            [.. regions.Select(r => GC.AllocateArray<byte>(checked((int)(r.SizeBytes >> GuestAddress.PageShift)), pinned: true))]);
    }

    private bool Covers(ulong at, ulong count)
    {
        while (count != 0)
        {
            int region = Find(at);
            if (region < 0) return false;
            ulong part = Math.Min(count, _regions[region].End - at);
            count -= part;
            at += part;
        }

        return true;
    }

    private byte* PointerTo(ulong at, uint count)
    {
        int region = Find(at);
        return region >= 0 && _regions[region].End - at >= count ? Pointer(region, at) : null;
    }

    private byte* Pointer(int region, ulong at) => (byte*)_regions[region].HostAddress + (at - _regions[region].Start.Value);

    // A machine has two to four regions: a linear scan beats anything cleverer.
    private int Find(ulong at)
    {
        GuestMemoryRegion[] regions = _regions;
        for (int i = 0; i < regions.Length; i++)
        {
            if (at - regions[i].Start.Value < regions[i].SizeBytes) return i;
        }

        return -1;
    }

    private void MarkWritten(int region, ulong at, ulong count)
    {
        byte[] flags = _flags[region];
        ulong first = (at - _regions[region].Start.Value) >> GuestAddress.PageShift;
        ulong last = (at + count - 1 - _regions[region].Start.Value) >> GuestAddress.PageShift;
        Volatile.Read(ref _dirtyLog)?.PagesWritten(at >> GuestAddress.PageShift, (at + count - 1) >> GuestAddress.PageShift);
        // The bytes must be visible before the flags are judged: a CPU sets Code before it reads what it decodes.
        Interlocked.MemoryBarrier();
        for (ulong page = first; page <= last; page++)
        {
            byte value = Volatile.Read(ref flags[page]);
            if ((value & (byte)PageFlags.Dirty) == 0) AtomicFlags.Set(ref flags[page], (byte)PageFlags.Dirty);
            if ((value & (byte)PageFlags.Code) != 0)
                _codeObserver?.CodePageWritten((_regions[region].Start.Value >> GuestAddress.PageShift) + page);
        }
    }

    private bool TryWriteFile(int region, ulong at, ReadOnlySpan<byte> bytes)
    {
        if (_files[region] is not { } file) return false;
        try
        {
            RandomAccess.Write(file, bytes, (long)(_regions[region].FileOffset + (at - _regions[region].Start.Value)));
            return true;
        }
        catch (IOException)
        {
            // A file of huge pages can be mapped but not written to.
            _files[region] = null;
            return false;
        }
    }

    private static void NativeFill(byte* to, ulong count, byte value)
    {
        while (count != 0)
        {
            uint part = (uint)Math.Min(count, 1u << 30);
            new Span<byte>(to, (int)part).Fill(value);
            to += part;
            count -= part;
        }
    }
}
