using System.Runtime.InteropServices;

namespace Vmm.Host.Native;

/// <summary>Processes: posix_spawn(3) and what belongs to it.</summary>
internal static unsafe partial class Libc
{
    public const short POSIX_SPAWN_SETSID = 0x80;
    public const int WNOHANG = 1;

    [LibraryImport(Library, EntryPoint = "pipe2", SetLastError = true)]
    public static partial int Pipe2(int* ends, int flags);

    [LibraryImport(Library, EntryPoint = "dup2", SetLastError = true)]
    public static partial int Dup2(int from, int to);

    [LibraryImport(Library, EntryPoint = "prctl", SetLastError = true)]
    public static partial int Prctl(int option, nuint first, nuint second, nuint third, nuint fourth);

    [LibraryImport(Library, EntryPoint = "waitpid", SetLastError = true)]
    public static partial int WaitPid(int processId, int* status, int options);

    /// <summary>Returns the error's number; errno is not set.</summary>
    [LibraryImport(Library, EntryPoint = "posix_spawn", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int PosixSpawn(int* processId, string path, PosixSpawnActions* actions, PosixSpawnAttributes* attributes, byte** arguments, byte** environment);

    [LibraryImport(Library, EntryPoint = "posix_spawnattr_init")]
    public static partial int PosixSpawnAttributesInit(PosixSpawnAttributes* attributes);

    [LibraryImport(Library, EntryPoint = "posix_spawnattr_setflags")]
    public static partial int PosixSpawnAttributesSetFlags(PosixSpawnAttributes* attributes, short flags);

    [LibraryImport(Library, EntryPoint = "posix_spawn_file_actions_init")]
    public static partial int PosixSpawnActionsInit(PosixSpawnActions* actions);

    [LibraryImport(Library, EntryPoint = "posix_spawn_file_actions_adddup2")]
    public static partial int PosixSpawnActionsAddDup2(PosixSpawnActions* actions, int from, int to);

    /// <summary>glibc 2.34 and later.</summary>
    [LibraryImport(Library, EntryPoint = "posix_spawn_file_actions_addclosefrom_np")]
    public static partial int PosixSpawnActionsAddCloseFrom(PosixSpawnActions* actions, int first);

    [LibraryImport(Library, EntryPoint = "posix_spawn_file_actions_destroy")]
    public static partial int PosixSpawnActionsDestroy(PosixSpawnActions* actions);

    /// <summary>posix_spawn_file_actions_t: opaque, 80 bytes in glibc, with room to spare.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct PosixSpawnActions
    {
        public fixed ulong Opaque[32];
    }

    /// <summary>posix_spawnattr_t: opaque, 336 bytes in glibc, with room to spare.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct PosixSpawnAttributes
    {
        public fixed ulong Opaque[64];
    }
}
