using System.Runtime.InteropServices;

namespace Vmm.Host.Native;

/// <summary>kill(2) to oneself.</summary>
internal static unsafe partial class Libc
{
    public const int SIGSTOP = 19;

    [LibraryImport(Library, EntryPoint = "kill", SetLastError = true)]
    public static partial int Kill(int processId, int signal);
}
