using System.Runtime.InteropServices;

namespace Vmm.Host.Native;

/// <summary>Names, attributes and directories, always relative to an open directory.</summary>
internal static unsafe partial class Libc
{
    public const int O_ACCMODE = 3;
    public const int O_DSYNC = 0x1000;
    public const int O_DIRECTORY = 0x10000;
    public const int O_SYNC = 0x101000;
    public const int O_PATH = 0x200000;

    public const int AT_SYMLINK_NOFOLLOW = 0x100;
    public const int AT_REMOVEDIR = 0x200;
    public const int AT_SYMLINK_FOLLOW = 0x400;

    public const ulong RESOLVE_NO_MAGICLINKS = 2;
    public const ulong RESOLVE_NO_SYMLINKS = 4;
    public const ulong RESOLVE_BENEATH = 8;

    public const uint STATX_BASIC_STATS = 0x7ff;
    public const uint STATX_BTIME = 0x800;

    public const uint S_IFIFO = 0x1000;
    public const uint S_IFCHR = 0x2000;
    public const uint S_IFDIR = 0x4000;
    public const uint S_IFLNK = 0xa000;
    public const uint S_IFSOCK = 0xc000;

    public const long UTIME_NOW = (1 << 30) - 1;
    public const long UTIME_OMIT = (1 << 30) - 2;

    public const nint SYS_openat2 = 437;

    // Variadic in C; on x86-64 the arguments go where those of a plain function go.
    [LibraryImport(Library, EntryPoint = "syscall", SetLastError = true)]
    public static partial nint Openat2(nint number, nint directory, byte* path, OpenHow* how, nuint size);

    [LibraryImport(Library, EntryPoint = "openat", SetLastError = true)]
    public static partial int Openat(int directory, byte* path, int flags, uint mode);

    [LibraryImport(Library, EntryPoint = "statx", SetLastError = true)]
    public static partial int Statx(int directory, byte* path, int flags, uint mask, StatxBuffer* to);

    [LibraryImport(Library, EntryPoint = "readlinkat", SetLastError = true)]
    public static partial nint Readlinkat(int directory, byte* path, byte* to, nuint capacity);

    [LibraryImport(Library, EntryPoint = "mkdirat", SetLastError = true)]
    public static partial int Mkdirat(int directory, byte* path, uint mode);

    [LibraryImport(Library, EntryPoint = "mknodat", SetLastError = true)]
    public static partial int Mknodat(int directory, byte* path, uint mode, ulong device);

    [LibraryImport(Library, EntryPoint = "symlinkat", SetLastError = true)]
    public static partial int Symlinkat(byte* target, int directory, byte* path);

    [LibraryImport(Library, EntryPoint = "linkat", SetLastError = true)]
    public static partial int Linkat(int oldDirectory, byte* oldPath, int newDirectory, byte* newPath, int flags);

    [LibraryImport(Library, EntryPoint = "renameat", SetLastError = true)]
    public static partial int Renameat(int oldDirectory, byte* oldPath, int newDirectory, byte* newPath);

    [LibraryImport(Library, EntryPoint = "unlinkat", SetLastError = true)]
    public static partial int Unlinkat(int directory, byte* path, int flags);

    [LibraryImport(Library, EntryPoint = "fchownat", SetLastError = true)]
    public static partial int Fchownat(int directory, byte* path, uint uid, uint gid, int flags);

    [LibraryImport(Library, EntryPoint = "fchmodat", SetLastError = true)]
    public static partial int Fchmodat(int directory, byte* path, uint mode, int flags);

    [LibraryImport(Library, EntryPoint = "utimensat", SetLastError = true)]
    public static partial int Utimensat(int directory, byte* path, TimeSpec* accessedAndModified, int flags);

    [LibraryImport(Library, EntryPoint = "fstatfs", SetLastError = true)]
    public static partial int Fstatfs(int fd, StatfsBuffer* to);

    [LibraryImport(Library, EntryPoint = "getdents64", SetLastError = true)]
    public static partial nint Getdents64(int fd, byte* buffer, nuint capacity);

    [LibraryImport(Library, EntryPoint = "fsync", SetLastError = true)]
    public static partial int Fsync(int fd);

    [LibraryImport(Library, EntryPoint = "getxattr", SetLastError = true)]
    public static partial nint Getxattr(byte* path, byte* name, byte* value, nuint capacity);

    [LibraryImport(Library, EntryPoint = "listxattr", SetLastError = true)]
    public static partial nint Listxattr(byte* path, byte* names, nuint capacity);

    [LibraryImport(Library, EntryPoint = "setxattr", SetLastError = true)]
    public static partial int Setxattr(byte* path, byte* name, byte* value, nuint length, int flags);

    [LibraryImport(Library, EntryPoint = "removexattr", SetLastError = true)]
    public static partial int Removexattr(byte* path, byte* name);

    [LibraryImport(Library, EntryPoint = "setrlimit", SetLastError = true)]
    public static partial int SetRLimit(int resource, RLimit* limit);

    [LibraryImport(Library, EntryPoint = "geteuid")]
    public static partial uint GetEuid();

    /// <summary><c>struct open_how</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 24)]
    public struct OpenHow
    {
        [FieldOffset(0)] public ulong Flags;
        [FieldOffset(8)] public ulong Mode;
        [FieldOffset(16)] public ulong Resolve;
    }

    /// <summary><c>struct timespec</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 16)]
    public struct TimeSpec
    {
        [FieldOffset(0)] public long Seconds;
        [FieldOffset(8)] public long Nanoseconds;
    }

    /// <summary><c>struct statx_timestamp</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 16)]
    public struct StatxTime
    {
        [FieldOffset(0)] public long Seconds;
        [FieldOffset(8)] public uint Nanoseconds;
    }

    /// <summary><c>struct statx</c>, as far as it is read.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct StatxBuffer
    {
        [FieldOffset(0)] public uint Mask;
        [FieldOffset(4)] public uint BlockBytes;
        [FieldOffset(16)] public uint Links;
        [FieldOffset(20)] public uint Uid;
        [FieldOffset(24)] public uint Gid;
        [FieldOffset(28)] public ushort Mode;
        [FieldOffset(32)] public ulong Inode;
        [FieldOffset(40)] public ulong SizeBytes;
        [FieldOffset(48)] public ulong Blocks;
        [FieldOffset(64)] public StatxTime Accessed;
        [FieldOffset(80)] public StatxTime Born;
        [FieldOffset(96)] public StatxTime Changed;
        [FieldOffset(112)] public StatxTime Modified;
        [FieldOffset(128)] public uint DeviceMajor;
        [FieldOffset(132)] public uint DeviceMinor;
        [FieldOffset(136)] public uint OnMajor;
        [FieldOffset(140)] public uint OnMinor;
    }

    /// <summary><c>struct statfs</c> of x86-64.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 120)]
    public struct StatfsBuffer
    {
        [FieldOffset(0)] public long Type;
        [FieldOffset(8)] public long BlockBytes;
        [FieldOffset(16)] public ulong Blocks;
        [FieldOffset(24)] public ulong FreeBlocks;
        [FieldOffset(32)] public ulong AvailableBlocks;
        [FieldOffset(40)] public ulong Files;
        [FieldOffset(48)] public ulong FreeFiles;
        [FieldOffset(56)] public ulong Id;
        [FieldOffset(64)] public long MaxNameBytes;
    }
}
