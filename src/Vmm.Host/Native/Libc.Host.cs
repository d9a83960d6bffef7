using System.Runtime.InteropServices;

namespace Vmm.Host.Native;

/// <summary>What the host can do: limits, io_uring; and giving back memory.</summary>
internal static unsafe partial class Libc
{
    public const int RLIMIT_NOFILE = 7;
    public const int RLIMIT_MEMLOCK = 8;
    public const ulong RLIM_INFINITY = ulong.MaxValue;

    public const int FALLOC_FL_KEEP_SIZE = 1;
    public const int FALLOC_FL_PUNCH_HOLE = 2;

    [LibraryImport(Library, EntryPoint = "getrlimit", SetLastError = true)]
    public static partial int GetRLimit(int resource, RLimit* limit);

    [LibraryImport(Library, EntryPoint = "getrandom", SetLastError = true)]
    public static partial nint GetRandom(byte* to, nuint count, uint flags);

    [LibraryImport(Library, EntryPoint = "pread", SetLastError = true)]
    public static partial nint Pread(int fd, byte* to, nuint count, nint offset);

    [LibraryImport(Library, EntryPoint = "pwrite", SetLastError = true)]
    public static partial nint Pwrite(int fd, byte* from, nuint count, nint offset);

    [LibraryImport(Library, EntryPoint = "fallocate", SetLastError = true)]
    public static partial int Fallocate(int fd, int mode, nint offset, nint length);

    [LibraryImport(Library, EntryPoint = "sched_getaffinity", SetLastError = true)]
    public static partial int SchedGetAffinity(int threadId, nuint sizeBytes, ulong* mask);

    [LibraryImport(Library, EntryPoint = "sched_setaffinity", SetLastError = true)]
    public static partial int SchedSetAffinity(int threadId, nuint sizeBytes, ulong* mask);

    // Variadic in C; on x86-64 the arguments go where those of a plain function go.
    [LibraryImport(Library, EntryPoint = "syscall", SetLastError = true)]
    public static partial nint Syscall(nint number, nint first, nint second);

    /// <summary><c>struct rlimit</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 16)]
    public struct RLimit
    {
        [FieldOffset(0)] public ulong Soft;
        [FieldOffset(8)] public ulong Hard;
    }
}
