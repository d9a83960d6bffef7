using System.Runtime.InteropServices;

namespace Vmm.Host.Native;

/// <summary>epoll(7) and timerfd_create(2).</summary>
internal static unsafe partial class Libc
{
    public const int EPOLL_CLOEXEC = O_CLOEXEC;
    public const int EPOLL_CTL_ADD = 1;
    public const int EPOLL_CTL_DEL = 2;
    public const int EPOLL_CTL_MOD = 3;

    public const int CLOCK_MONOTONIC = 1;
    public const int TFD_NONBLOCK = O_NONBLOCK;
    public const int TFD_CLOEXEC = O_CLOEXEC;
    public const int TFD_TIMER_ABSTIME = 1;

    [LibraryImport(Library, EntryPoint = "epoll_create1", SetLastError = true)]
    public static partial int EpollCreate1(int flags);

    [LibraryImport(Library, EntryPoint = "epoll_ctl", SetLastError = true)]
    public static partial int EpollCtl(int epoll, int operation, int fd, EpollEvent* change);

    [LibraryImport(Library, EntryPoint = "epoll_wait", SetLastError = true)]
    public static partial int EpollWait(int epoll, EpollEvent* events, int capacity, int timeoutMs);

    [LibraryImport(Library, EntryPoint = "timerfd_create", SetLastError = true)]
    public static partial int TimerfdCreate(int clock, int flags);

    [LibraryImport(Library, EntryPoint = "timerfd_settime", SetLastError = true)]
    public static partial int TimerfdSettime(int fd, int flags, ITimerSpec* value, ITimerSpec* previous);

    /// <summary><c>struct epoll_event</c>, packed on x86-64.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 12, Pack = 1)]
    public struct EpollEvent
    {
        [FieldOffset(0)] public uint Events;
        [FieldOffset(4)] public ulong Data;
    }

    /// <summary><c>struct itimerspec</c>: two <c>struct timespec</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 32)]
    public struct ITimerSpec
    {
        [FieldOffset(0)] public long IntervalSeconds;
        [FieldOffset(8)] public long IntervalNs;
        [FieldOffset(16)] public long ValueSeconds;
        [FieldOffset(24)] public long ValueNs;
    }
}
