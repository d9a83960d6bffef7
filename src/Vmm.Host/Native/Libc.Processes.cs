using System.Runtime.InteropServices;

namespace Vmm.Host.Native;

/// <summary>Children: posix_spawn(3) and waitpid(2).</summary>
internal static unsafe partial class Libc
{
    public const short POSIX_SPAWN_SETPGROUP = 2;
    public const short POSIX_SPAWN_SETSIGMASK = 8;
    public const int WNOHANG = 1;
    public const int SIGKILL = 9;
    public const int PR_SET_DUMPABLE = 4;

    [LibraryImport(Library, EntryPoint = "posix_spawn")]
    public static partial int PosixSpawn(int* processId, byte* path, SpawnFileActions* actions, SpawnAttributes* attributes, byte** arguments, byte** environment);

    [LibraryImport(Library, EntryPoint = "posix_spawn_file_actions_init")]
    public static partial int SpawnFileActionsInit(SpawnFileActions* actions);

    [LibraryImport(Library, EntryPoint = "posix_spawn_file_actions_destroy")]
    public static partial int SpawnFileActionsDestroy(SpawnFileActions* actions);

    [LibraryImport(Library, EntryPoint = "posix_spawn_file_actions_adddup2")]
    public static partial int SpawnFileActionsAddDup2(SpawnFileActions* actions, int fd, int newFd);

    [LibraryImport(Library, EntryPoint = "posix_spawnattr_init")]
    public static partial int SpawnAttributesInit(SpawnAttributes* attributes);

    [LibraryImport(Library, EntryPoint = "posix_spawnattr_destroy")]
    public static partial int SpawnAttributesDestroy(SpawnAttributes* attributes);

    [LibraryImport(Library, EntryPoint = "posix_spawnattr_setflags")]
    public static partial int SpawnAttributesSetFlags(SpawnAttributes* attributes, short flags);

    [LibraryImport(Library, EntryPoint = "waitpid", SetLastError = true)]
    public static partial int WaitPid(int processId, int* status, int options);

    [LibraryImport(Library, EntryPoint = "prctl", SetLastError = true)]
    public static partial int Prctl(int option, nuint first, nuint second, nuint third, nuint fourth);

    /// <summary><c>posix_spawn_file_actions_t</c> of glibc on x86-64.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 80)]
    public struct SpawnFileActions
    {
        [FieldOffset(0)] public long First;
    }

    /// <summary><c>posix_spawnattr_t</c> of glibc on x86-64: with an empty signal mask and its own process group where the flags say so.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 336)]
    public struct SpawnAttributes
    {
        [FieldOffset(0)] public long First;
    }
}
