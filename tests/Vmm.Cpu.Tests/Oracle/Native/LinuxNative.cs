using System.Runtime.InteropServices;

namespace Vmm.Cpu.Tests.Oracle.Native;

/// <summary>The few libc calls that the oracle needs, with the x86-64 layouts of their structures.</summary>
internal static unsafe partial class LinuxNative
{
    public const int PROT_NONE = 0;
    public const int PROT_READ = 1;
    public const int PROT_WRITE = 2;
    public const int PROT_EXEC = 4;
    public const int MAP_SHARED = 1;
    public const int MAP_PRIVATE = 2;
    public const int MAP_FIXED = 0x10;
    public const int MAP_ANONYMOUS = 0x20;
    public const int MAP_NORESERVE = 0x4000;
    public const int MAP_POPULATE = 0x8000;
    public const int MAP_FIXED_NOREPLACE = 0x100000;

    public const int SIGILL = 4;
    public const int SIGTRAP = 5;
    public const int SIGBUS = 7;
    public const int SIGFPE = 8;
    public const int SIGSEGV = 11;
    public const int SIG_SETMASK = 2;
    public const int SA_ONSTACK = 0x0800_0000;
    public const int SA_SIGINFO = 4;

    public const int SYS_modify_ldt = 154;
    public const ulong AT_HWCAP2 = 26;

    /// <summary>AT_HWCAP2 bit 1: the kernel lets user code use RDFSBASE and its like.</summary>
    public const ulong HWCAP2_FSGSBASE = 2;

    /// <summary>glibc's struct sigaction.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 152)]
    public struct SigAction
    {
        [FieldOffset(0)] public nint Handler;
        [FieldOffset(8)] public fixed ulong Mask[16];
        [FieldOffset(136)] public int Flags;
        [FieldOffset(144)] public nint Restorer;
    }

    /// <summary>stack_t.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 24)]
    public struct SignalStack
    {
        [FieldOffset(0)] public nint Address;
        [FieldOffset(8)] public int Flags;
        [FieldOffset(16)] public nuint Size;
    }

    /// <summary>struct user_desc of modify_ldt(2).</summary>
    [StructLayout(LayoutKind.Explicit, Size = 16)]
    public struct UserDescriptor
    {
        [FieldOffset(0)] public uint EntryNumber;
        [FieldOffset(4)] public uint BaseAddress;
        [FieldOffset(8)] public uint Limit;
        [FieldOffset(12)] public uint Flags;
    }

    [LibraryImport("libc", SetLastError = true)]
    public static partial nint mmap(nint address, nuint size, int protection, int flags, int fd, nint offset);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int munmap(nint address, nuint size);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int mprotect(nint address, nuint size, int protection);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int memfd_create(string name, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int ftruncate(int fd, nint size);

    [LibraryImport("libc")]
    public static partial int close(int fd);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int sigaction(int signal, SigAction* action, SigAction* old);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int sigaltstack(SignalStack* stack, SignalStack* old);

    [LibraryImport("libc")]
    public static partial int pthread_sigmask(int how, ulong* set, ulong* old);

    [LibraryImport("libc")]
    public static partial ulong getauxval(ulong type);

    [LibraryImport("libc", SetLastError = true)]
    public static partial nint syscall(nint number, nint a, nint b, nint c);
}
