using System.Runtime.InteropServices;

namespace Vmm.Host.Native;

/// <summary>Whole-file locks.</summary>
internal static partial class Libc
{
    public const int LOCK_SH = 1;
    public const int LOCK_EX = 2;
    public const int LOCK_NB = 4;

    [LibraryImport(Library, EntryPoint = "flock", SetLastError = true)]
    public static partial int FileLock(int fd, int operation);
}
