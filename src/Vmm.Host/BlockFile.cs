using System.Runtime.InteropServices;
using Vmm.Core.Memory;
using Vmm.Host.Native;

namespace Vmm.Host;

/// <summary>
/// A regular file or block device that holds a disk. I/O at offsets from any thread; it answers with an error number (0: done),
/// set-up throws. Opening takes the locks that QEMU's programs honour, too: one writer, or any number of readers.
/// </summary>
public sealed unsafe partial class BlockFile : IDisposable
{
    private readonly LinuxFile _file;
    private bool _canPunch = true;
    private bool _canZero = true;

    private BlockFile(LinuxFile file, string path, bool isReadOnly, in Libc.Stat stat, bool isDirect)
    {
        _file = file;
        Path = path;
        IsReadOnly = isReadOnly;
        IsBlockDevice = (stat.Mode & Libc.S_IFMT) == Libc.S_IFBLK;
        Identity = (stat.Device, stat.Inode);
        PhysicalBlockBytes = PhysicalBlock(file, IsBlockDevice, (ulong)stat.BlockBytes);
        if (isDirect) _alignment = DirectAlignment(file, IsBlockDevice);
    }

    /// <summary>As given at opening.</summary>
    public string Path { get; }

    public bool IsReadOnly { get; }

    public bool IsBlockDevice { get; }

    /// <summary>Blocks below this size cost a read when they are written: a power of two.</summary>
    public uint PhysicalBlockBytes { get; }

    /// <summary>Device and inode: two names of one file have the same.</summary>
    public (ulong Device, ulong Inode) Identity { get; }

    /// <summary>Opens what exists.</summary>
    /// <exception cref="LinuxException">It cannot be opened, is neither file nor block device, or is in use.</exception>
    /// <param name="path">A regular file or block device.</param>
    /// <param name="readOnly">Nothing is written.</param>
    /// <param name="ignoreLocks">For looking at what may be in use.</param>
    /// <param name="direct">Past the host's page cache (O_DIRECT).</param>
    public static BlockFile Open(string path, bool readOnly, bool ignoreLocks = false, bool direct = false)
        => Adopt(OpenDescriptor(path, readOnly, direct), path, readOnly, ignoreLocks, direct);

    /// <summary>Only opens, for a process that <see cref="Adopt"/>s the descriptor.</summary>
    /// <exception cref="LinuxException">It cannot be opened.</exception>
    public static LinuxFile OpenDescriptor(string path, bool readOnly, bool direct)
        => LinuxFile.Open(path, (readOnly ? Libc.O_RDONLY : Libc.O_RDWR) | (direct ? Libc.O_DIRECT : 0));

    /// <summary>Takes a file that is open already, with the locks.</summary>
    /// <exception cref="LinuxException">As for <see cref="Open"/>.</exception>
    public static BlockFile Adopt(LinuxFile file, string path, bool readOnly, bool ignoreLocks = false, bool direct = false)
        => Prepare(file, path, readOnly, ignoreLocks, direct);

    /// <summary>Makes a new file, or empties an existing one that nobody uses; a block device stays as it is.</summary>
    /// <exception cref="LinuxException">As for <see cref="Open"/>.</exception>
    public static BlockFile Create(string path)
    {
        BlockFile file = Prepare(LinuxFile.Open(path, Libc.O_RDWR | Libc.O_CREAT), path, readOnly: false, ignoreLocks: false);
        // Emptied only now, under the lock; and not when it is empty, because ext4 writes a file out at its close after that.
        int error = file.GetLength(out ulong length);
        if (error == 0 && length != 0 && !file.IsBlockDevice) error = file.SetLength(0);
        if (error == 0) return file;
        file.Dispose();
        throw new LinuxException($"emptying {path}", error);
    }

    /// <summary>Makes a file that has no name: it goes away when it is closed.</summary>
    /// <param name="folder">Where its bytes lie.</param>
    /// <exception cref="LinuxException">The file system cannot.</exception>
    public static BlockFile CreateNameless(string folder)
    {
        const int O_TMPFILE = 0x410000;
        return Prepare(LinuxFile.Open(folder, Libc.O_RDWR | O_TMPFILE), $"throw-away file in {folder}", readOnly: false, ignoreLocks: true);
    }

    /// <summary>The present length.</summary>
    /// <returns>0 or an error number.</returns>
    public int GetLength(out ulong bytes)
    {
        nint end = Libc.Lseek(_file.Fd, 0, Libc.SEEK_END);
        bytes = end < 0 ? 0 : (ulong)end;
        return end < 0 ? Marshal.GetLastPInvokeError() : 0;
    }

    /// <summary>Bytes of storage that the file takes; 0 where that is unknown.</summary>
    public ulong AllocatedBytes
    {
        get
        {
            Libc.Stat stat;
            return Libc.Fstat(_file.Fd, &stat) == 0 ? (ulong)stat.Blocks * 512 : 0;
        }
    }

    /// <summary>Makes the file shorter or longer; what is new reads as zeros.</summary>
    public int SetLength(ulong bytes) => Result(Libc.Ftruncate(_file.Fd, (nint)bytes));

    /// <summary>Reads all that is asked; beyond the end of the file there are zeros.</summary>
    public int Read(ulong offset, ReadOnlySpan<IoVec> vectors) => Transfer(offset, vectors, isWrite: false);

    /// <summary>Writes all that is given.</summary>
    public int Write(ulong offset, ReadOnlySpan<IoVec> vectors) => Transfer(offset, vectors, isWrite: true);

    /// <inheritdoc cref="Read(ulong, ReadOnlySpan{IoVec})"/>
    public int Read(ulong offset, Span<byte> data)
    {
        // SAFETY: pinned for the call; the vector covers exactly the buffer.
        fixed (byte* start = data)
        {
            IoVec vector = new((nint)start, (nuint)data.Length);
            return Transfer(offset, new ReadOnlySpan<IoVec>(in vector), isWrite: false);
        }
    }

    /// <inheritdoc cref="Write(ulong, ReadOnlySpan{IoVec})"/>
    public int Write(ulong offset, ReadOnlySpan<byte> data)
    {
        // SAFETY: as in Read.
        fixed (byte* start = data)
        {
            IoVec vector = new((nint)start, (nuint)data.Length);
            return Transfer(offset, new ReadOnlySpan<IoVec>(in vector), isWrite: true);
        }
    }

    /// <summary>Waits until everything written is on stable storage.</summary>
    public int Flush()
    {
        while (Libc.Fdatasync(_file.Fd) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            if (error != Errno.EINTR) return error;
        }

        return 0;
    }

    /// <summary>Gives the storage of a range back; it reads as zeros then. EOPNOTSUPP where the host cannot.</summary>
    public int PunchHole(ulong offset, ulong count)
    {
        if (!_canPunch) return Errno.EOPNOTSUPP;
        int error = Result(Libc.Fallocate(_file.Fd, Libc.FALLOC_FL_PUNCH_HOLE | Libc.FALLOC_FL_KEEP_SIZE, (nint)offset, (nint)count));
        if (error == Errno.EOPNOTSUPP) _canPunch = false;
        return error;
    }

    /// <summary>Gives the storage of a range back; what it reads as then is zeros or what was there. EOPNOTSUPP where the host cannot.</summary>
    public int Discard(ulong offset, ulong count)
    {
        int error = PunchHole(offset, count);
        if (error != Errno.EOPNOTSUPP || !IsBlockDevice) return error;
        ulong* range = stackalloc ulong[] { offset, count };
        // SAFETY: two words that outlive the call (BLKDISCARD: first byte and length).
        return Result(Libc.Ioctl(_file.Fd, Libc.BLKDISCARD, (nint)range));
    }

    /// <summary>Makes a range read as zeros and keeps its storage. EOPNOTSUPP where the host cannot do it fast.</summary>
    public int ZeroRange(ulong offset, ulong count)
    {
        if (!_canZero) return Errno.EOPNOTSUPP;
        int error = Result(Libc.Fallocate(_file.Fd, Libc.FALLOC_FL_ZERO_RANGE | Libc.FALLOC_FL_KEEP_SIZE, (nint)offset, (nint)count));
        if (error == Errno.EOPNOTSUPP) _canZero = false;
        return error;
    }

    /// <summary>Whether there is data at an offset, and where that ends. Where the host cannot tell, all is data.</summary>
    /// <param name="offset">Less than <paramref name="length"/>.</param>
    /// <param name="length">The file's length.</param>
    /// <param name="end">The first byte that is different.</param>
    public bool IsData(ulong offset, ulong length, out ulong end)
    {
        end = length;
        nint data = Libc.Lseek(_file.Fd, (nint)offset, Libc.SEEK_DATA);
        if (data < 0) return Marshal.GetLastPInvokeError() != Errno.ENXIO;
        if ((ulong)data > offset)
        {
            end = Math.Min((ulong)data, length);
            return false;
        }

        nint hole = Libc.Lseek(_file.Fd, (nint)offset, Libc.SEEK_HOLE);
        if (hole > 0) end = Math.Min((ulong)hole, length);
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static BlockFile Prepare(LinuxFile file, string path, bool readOnly, bool ignoreLocks, bool isDirect = false)
    {
        try
        {
            Libc.Stat stat;
            if (Libc.Fstat(file.Fd, &stat) != 0) throw LinuxException.FromLastError($"examining {path}");
            if ((stat.Mode & Libc.S_IFMT) is not (Libc.S_IFREG or Libc.S_IFBLK))
                throw new LinuxException($"{path} is neither a regular file nor a block device");
            if (!ignoreLocks && !TryLockFor(file, readOnly))
                throw new LinuxException($"{path} is in use by another {(readOnly ? "writer" : "process")}; two at once would destroy it");
            return new BlockFile(file, path, readOnly, stat, isDirect);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static int Result(int result) => result == 0 ? 0 : Marshal.GetLastPInvokeError();

    internal int Fd => _file.Fd;

    private int Transfer(ulong offset, ReadOnlySpan<IoVec> vectors, bool isWrite)
    {
        if (IsDirect) return TransferDirect(offset, vectors, isWrite);
        return TransferPlain(offset, vectors, isWrite);
    }

    private int TransferPlain(ulong offset, ReadOnlySpan<IoVec> vectors, bool isWrite)
    {
        Span<IoVec> batch = stackalloc IoVec[64];
        IoCursor cursor = new(vectors);
        while (true)
        {
            int count = cursor.Take(1u << 30, batch, out ulong bytes);
            if (bytes == 0) return 0;
            int error = TransferBatch(offset, batch[..count], bytes, isWrite);
            if (error != 0) return error;
            offset += bytes;
        }
    }

    private int TransferBatch(ulong offset, Span<IoVec> batch, ulong bytes, bool isWrite)
    {
        while (bytes != 0)
        {
            nint done;
            // SAFETY: the vectors describe memory that their maker pinned; the kernel stays within them.
            fixed (IoVec* first = batch)
            {
                done = isWrite ? Libc.Pwritev(_file.Fd, first, batch.Length, (nint)offset) : Libc.Preadv(_file.Fd, first, batch.Length, (nint)offset);
            }

            if (done < 0)
            {
                int error = Marshal.GetLastPInvokeError();
                if (error == Errno.EINTR) continue;
                return error;
            }

            if (done == 0)
            {
                if (isWrite) return Errno.EIO;
                new IoCursor(batch).Clear(bytes);
                return 0;
            }

            bytes -= (ulong)done;
            offset += (ulong)done;
            if (bytes == 0) return 0;
            batch = Skip(batch, (nuint)done);
            if (isWrite || !IsCutShort(done)) continue;
            new IoCursor(batch).Clear(bytes);
            return 0;
        }

        return 0;
    }

    private static Span<IoVec> Skip(Span<IoVec> batch, nuint done)
    {
        while (done >= batch[0].SizeBytes)
        {
            done -= batch[0].SizeBytes;
            batch = batch[1..];
        }

        batch[0] = new IoVec(batch[0].HostAddress + (nint)done, batch[0].SizeBytes - done);
        return batch;
    }
}
