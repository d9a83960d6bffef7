using System.Runtime.InteropServices;
using Vmm.Core.Memory;

namespace Vmm.Host.Native;

/// <summary>Files as disks: vectored I/O at an offset, holes, sizes, locks of an open file description.</summary>
internal static unsafe partial class Libc
{
    public const int FALLOC_FL_ZERO_RANGE = 0x10;
    public const int SEEK_SET = 0;
    public const int SEEK_END = 2;
    public const int SEEK_DATA = 3;
    public const int SEEK_HOLE = 4;
    public const int F_OFD_GETLK = 36;
    public const int F_OFD_SETLK = 37;
    public const short F_RDLCK = 0;
    public const short F_WRLCK = 1;
    public const short F_UNLCK = 2;
    public const uint S_IFMT = 0xf000;
    public const uint S_IFBLK = 0x6000;
    public const uint S_IFREG = 0x8000;
    public const int O_DIRECT = 0x4000;
    public const int RWF_NOWAIT = 8;
    public const nuint BLKGETSIZE64 = 0x8008_1272;
    public const nuint BLKSSZGET = 0x1268;
    public const nuint BLKPBSZGET = 0x127b;
    public const nuint BLKDISCARD = 0x1277;
    public const nuint BLKZEROOUT = 0x127f;
    public const int AT_EMPTY_PATH = 0x1000;
    public const uint STATX_DIOALIGN = 0x2000;

    [LibraryImport(Library, EntryPoint = "preadv", SetLastError = true)]
    public static partial nint Preadv(int fd, IoVec* vectors, int count, nint offset);

    [LibraryImport(Library, EntryPoint = "pwritev", SetLastError = true)]
    public static partial nint Pwritev(int fd, IoVec* vectors, int count, nint offset);

    [LibraryImport(Library, EntryPoint = "preadv2", SetLastError = true)]
    public static partial nint Preadv2(int fd, IoVec* vectors, int count, nint offset, int flags);

    [LibraryImport(Library, EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Statx(int folder, string path, int flags, uint mask, StatxFacts* facts);

    [LibraryImport(Library, EntryPoint = "fdatasync", SetLastError = true)]
    public static partial int Fdatasync(int fd);

    [LibraryImport(Library, EntryPoint = "lseek", SetLastError = true)]
    public static partial nint Lseek(int fd, nint offset, int whence);

    [LibraryImport(Library, EntryPoint = "fstat", SetLastError = true)]
    public static partial int Fstat(int fd, Stat* stat);

    /// <summary><c>struct flock</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 32)]
    public struct Flock
    {
        [FieldOffset(0)] public short Type;
        [FieldOffset(2)] public short Whence;
        [FieldOffset(8)] public long Start;
        [FieldOffset(16)] public long Length;
        [FieldOffset(24)] public int ProcessId;
    }

    /// <summary><c>struct stat</c> of x86-64, as far as it is read.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 144)]
    public struct Stat
    {
        [FieldOffset(0)] public ulong Device;
        [FieldOffset(8)] public ulong Inode;
        [FieldOffset(24)] public uint Mode;
        [FieldOffset(48)] public long SizeBytes;
        [FieldOffset(56)] public long BlockBytes;
        [FieldOffset(64)] public long Blocks;
    }

    /// <summary><c>struct statx</c>, as far as it is read.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct StatxFacts
    {
        [FieldOffset(0)] public uint Mask;
        [FieldOffset(152)] public uint DirectMemoryAlignment;
        [FieldOffset(156)] public uint DirectOffsetAlignment;
    }
}
