using System.Runtime.InteropServices;
using Vmm.Core.Memory;
using Vmm.Host.Native;

namespace Vmm.Host;

/// <summary>
/// Memory in a sealed memfd, mapped into this process and ready to be shared with another. Pages come when they are first touched;
/// the size can never change, so no mapping of it can be made to fault. Dispose it after everything that uses its addresses.
/// </summary>
public sealed class MappedMemory : IPageDiscarder, IDisposable
{
    /// <summary>The most memory that one object can have: 4 TiB.</summary>
    public const ulong MaximumBytes = 4UL << 40;

    private readonly LinuxFile _file;
    private nint _address;

    /// <param name="sizeBytes">Length; a multiple of the page size that <paramref name="options"/> chooses.</param>
    /// <param name="options">Name, page size, core dumps; null for the defaults.</param>
    /// <exception cref="LinuxException">The size is impossible, or the host refused.</exception>
    public MappedMemory(ulong sizeBytes, MappedMemoryOptions? options = null)
    {
        options ??= new MappedMemoryOptions();
        CheckSize(sizeBytes, options.HugePages);
        SizeBytes = sizeBytes;
        string what = $"{Mebibytes(sizeBytes)} of guest memory";
        _file = LinuxFile.FromResult(Libc.MemfdCreate(options.Name, MemfdFlags(options.HugePages)), $"making a memfd for {what}");
        try
        {
            Check(Libc.Ftruncate(_file.Fd, (nint)sizeBytes), $"sizing a memfd for {what}");
            Check(Libc.Fcntl(_file.Fd, Libc.F_ADD_SEALS, Libc.F_SEAL_SHRINK | Libc.F_SEAL_GROW | Libc.F_SEAL_SEAL), $"sealing {what}");
            _address = Map(_file.Fd, sizeBytes, options.HugePages, what);
            if (options.HugePages == HugePages.Transparent)
                Check(Libc.Madvise(_address, (nuint)sizeBytes, Libc.MADV_HUGEPAGE), $"asking for transparent huge pages for {what}");
            if (!options.InCoreDumps)
                Check(Libc.Madvise(_address, (nuint)sizeBytes, Libc.MADV_DONTDUMP), $"keeping {what} out of core dumps");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Length in bytes.</summary>
    public ulong SizeBytes { get; }

    /// <summary>Where it is mapped.</summary>
    /// <exception cref="ObjectDisposedException">No longer mapped.</exception>
    public nint Address
    {
        get
        {
            ObjectDisposedException.ThrowIf(_address == 0, this);
            return _address;
        }
    }

    /// <summary>The memfd, to be sent to a device-model process.</summary>
    public LinuxFile File => _file;

    /// <summary>What the host has given for it so far: pages that were touched and not discarded since.</summary>
    /// <exception cref="LinuxException">The kernel refused to say.</exception>
    public unsafe ulong AllocatedBytes
    {
        get
        {
            const ulong unitBytes = 512; // of st_blocks, whatever the file's own blocks are
            Libc.Stat stat = default;
            // SAFETY: a local that outlives the call.
            Check(Libc.Fstat(_file.Fd, &stat), "looking at guest memory");
            return (ulong)stat.Blocks * unitBytes;
        }
    }

    /// <summary>A part of it as guest memory.</summary>
    /// <param name="start">Guest-physical address.</param>
    /// <param name="offset">Offset in this memory; page-aligned.</param>
    /// <param name="sizeBytes">Length.</param>
    /// <param name="isReadOnly">True for ROM.</param>
    /// <exception cref="ArgumentOutOfRangeException">The part reaches beyond the end.</exception>
    public GuestMemoryRegion Region(GuestAddress start, ulong offset, ulong sizeBytes, bool isReadOnly = false)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, SizeBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(sizeBytes, SizeBytes - offset);
        return new GuestMemoryRegion(start, sizeBytes, Address + (nint)offset, _file.Fd, offset, isReadOnly);
    }

    /// <summary>All of it as a PC's RAM, see <see cref="GuestMemoryLayout"/>.</summary>
    public IReadOnlyList<GuestMemoryRegion> RamRegions()
        => [.. GuestMemoryLayout.Of(SizeBytes).Select(piece => Region(piece.Start, piece.FileOffset, piece.SizeBytes))];

    /// <summary>Gives all pages back to the host; they read as zero again. Nobody may be using the memory.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public void Discard()
        => Check(Libc.Fallocate(_file.Fd, Libc.FALLOC_FL_PUNCH_HOLE | Libc.FALLOC_FL_KEEP_SIZE, 0, (nint)SizeBytes), "giving back guest memory");

    /// <summary>The next part that the host has given pages for; the others read as zero. Where the host cannot tell, all is such a part.</summary>
    /// <param name="from">Where to begin.</param>
    /// <param name="start">Its first byte.</param>
    /// <param name="end">One past its last byte.</param>
    /// <returns>False when nothing but zeros follows.</returns>
    public bool NextData(ulong from, out ulong start, out ulong end)
    {
        (start, end) = (from, SizeBytes);
        if (from >= SizeBytes) return false;
        nint data = Libc.Lseek(_file.Fd, (nint)from, Libc.SEEK_DATA);
        if (data < 0) return Marshal.GetLastPInvokeError() != Errno.ENXIO;
        start = (ulong)data;
        nint hole = Libc.Lseek(_file.Fd, data, Libc.SEEK_HOLE);
        if (hole > data) end = Math.Min((ulong)hole, SizeBytes);
        return true;
    }

    /// <summary>Copies a part out without having the host give pages for it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The part reaches beyond the end.</exception>
    /// <exception cref="LinuxException">It cannot be read.</exception>
    public unsafe void CopyOut(ulong offset, Span<byte> to)
    {
        // SAFETY: the span is pinned.
        fixed (byte* first = to) Move(offset, first, to.Length, isWrite: false);
    }

    /// <summary>Copies bytes in by way of the file: pages that are new then cost neither a fault nor a clearing each. Nobody may be using them.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The part reaches beyond the end.</exception>
    /// <exception cref="LinuxException">They cannot be written.</exception>
    public unsafe void CopyIn(ulong offset, ReadOnlySpan<byte> from)
    {
        // SAFETY: the span is pinned.
        fixed (byte* first = from) Move(offset, first, from.Length, isWrite: true);
    }

    /// <inheritdoc/>
    public bool TryDiscard(int fileDescriptor, ulong offset, ulong sizeBytes)
        => Libc.Fallocate(fileDescriptor, Libc.FALLOC_FL_PUNCH_HOLE | Libc.FALLOC_FL_KEEP_SIZE, (nint)offset, (nint)sizeBytes) == 0;

    /// <inheritdoc/>
    public void Dispose()
    {
        nint address = Interlocked.Exchange(ref _address, 0);
        if (address != 0) _ = Libc.Munmap(address, (nuint)SizeBytes);
        _file.Dispose();
    }

    private static void CheckSize(ulong sizeBytes, HugePages pages)
    {
        ulong unit = pages switch
        {
            HugePages.Reserved2M => 2UL << 20,
            HugePages.Reserved1G => 1UL << 30,
            _ => GuestAddress.PageSize,
        };
        if (sizeBytes == 0) throw new LinuxException("guest memory of 0 bytes is not possible");
        if (sizeBytes % unit != 0) throw new LinuxException($"guest memory of {sizeBytes} bytes is no multiple of the page size of {unit} bytes");
        if (sizeBytes > MaximumBytes) throw new LinuxException($"guest memory of {Mebibytes(sizeBytes)} is more than the possible {Mebibytes(MaximumBytes)}");
    }

    private static uint MemfdFlags(HugePages pages) => Libc.MFD_CLOEXEC | Libc.MFD_ALLOW_SEALING | pages switch
    {
        HugePages.Reserved2M => Libc.MFD_HUGETLB | Libc.MFD_HUGE_2MB,
        HugePages.Reserved1G => Libc.MFD_HUGETLB | Libc.MFD_HUGE_1GB,
        _ => 0,
    };

    // Reserved huge pages are reserved at once: without the reservation, a pool that runs dry would end in SIGBUS.
    private static nint Map(int fd, ulong sizeBytes, HugePages pages, string what)
    {
        bool fromPool = pages is HugePages.Reserved2M or HugePages.Reserved1G;
        int flags = Libc.MAP_SHARED | (fromPool ? 0 : Libc.MAP_NORESERVE);
        nint address = Libc.Mmap(0, (nuint)sizeBytes, Libc.PROT_READ | Libc.PROT_WRITE, flags, fd, 0);
        if (address != Libc.MAP_FAILED) return address;
        int errno = Marshal.GetLastPInvokeError();
        throw fromPool && errno == Errno.ENOMEM
            ? new LinuxException($"mapping {what} from the reserved huge pages (too few are free, see vm.nr_hugepages)", errno)
            : new LinuxException($"mapping {what}", errno);
    }

    private static void Check(int result, string action)
    {
        if (result < 0) throw LinuxException.FromLastError(action);
    }

    private static string Mebibytes(ulong bytes) => bytes % (1 << 20) == 0 ? $"{bytes >> 20} MiB" : $"{bytes} bytes";

    private unsafe void Move(ulong offset, byte* bytes, int count, bool isWrite)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, SizeBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((ulong)count, SizeBytes - offset);
        for (int done = 0; done < count;)
        {
            // SAFETY: the length ends within the caller's bytes.
            nint moved = isWrite
                ? Libc.Pwrite(_file.Fd, bytes + done, (nuint)(count - done), (nint)offset + done)
                : Libc.Pread(_file.Fd, bytes + done, (nuint)(count - done), (nint)offset + done);
            if (moved > 0) done += (int)moved;
            else if (moved == 0 || Marshal.GetLastPInvokeError() != Errno.EINTR) throw LinuxException.FromLastError(isWrite ? "filling guest memory" : "reading guest memory");
        }
    }
}
