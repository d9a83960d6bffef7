using System.Runtime.InteropServices;

namespace Vmm.Host.Native;

/// <summary>kill(2) to oneself.</summary>
internal static unsafe partial class Libc
{
    public const int SIGBUS = 7;
    public const int SIGSTOP = 19;
    public const int SA_SIGINFO = 4;
    public const int SA_ONSTACK = 0x0800_0000;
    public const int SA_RESTART = 0x1000_0000;

    [LibraryImport(Library, EntryPoint = "kill", SetLastError = true)]
    public static partial int Kill(int processId, int signal);
}
