using System.Runtime.InteropServices;
using Vmm.Host.Native;
using static Vmm.Host.Sandbox.SystemCall;

namespace Vmm.Host.Sandbox;

/// <summary>Which system calls a policy comes to. Measured with strace on what is compiled ahead of time, glibc's threads and the collector's included.</summary>
internal static class SystemCallPolicy
{
    // clone(2)
    private const uint CLONE_VM = 0x100, CLONE_THREAD = 0x1_0000;
    private const uint NewNamespaces = 0x7e02_0080; // CLONE_NEW*, time to network

    // prctl(2)
    private const uint PR_SET_NAME = 15, PR_GET_NAME = 16, PR_SET_VMA = 0x5356_4d41;

    private const uint FIONREAD = 0x541b, FIONBIO = 0x5421, TCGETS = 0x5401;
    private const uint F_GETFD = 1, F_DUPFD = 0, F_OFD_GETLK = 36, F_OFD_SETLK = 37, F_OFD_SETLKW = 38;

    /// <summary>What threads, memory, clocks, and descriptors that are open need.</summary>
    private static readonly SystemCall[] Always =
    [
        io_uring_enter, epoll_wait, read, write, futex, epoll_pwait, epoll_pwait2, readv, writev, pread64, pwrite64, preadv, pwritev, preadv2, pwritev2,
        epoll_ctl, epoll_create1, eventfd2, timerfd_create, timerfd_settime, timerfd_gettime, poll, ppoll, pipe2, dup, close, close_range,
        fstat, newfstatat, statx, lseek, ftruncate, fallocate, fsync, fdatasync, sync_file_range, copy_file_range, fadvise64, flock, fstatfs, statfs, memfd_create,
        sendmsg, recvmsg, sendto, recvfrom, shutdown, accept, accept4, getsockname, getpeername, getsockopt, setsockopt,
        munmap, mremap, madvise, mincore, brk, membarrier, get_mempolicy, mlock, munlock,
        futex_wait, futex_wake, futex_waitv, sched_yield, sched_getaffinity, sched_setaffinity, sched_getparam, sched_setparam, sched_getscheduler, sched_setscheduler, sched_get_priority_max, sched_get_priority_min, getpriority, setpriority, getcpu,
        nanosleep, clock_nanosleep, clock_gettime, clock_getres, gettimeofday, time, getrandom,
        getpid, gettid, getppid, getuid, getgid, geteuid, getegid, uname, sysinfo, getrusage, times, prlimit64, getcwd,
        rt_sigaction, rt_sigprocmask, rt_sigreturn, sigaltstack, restart_syscall,
        set_robust_list, rseq, set_tid_address, arch_prctl, exit, exit_group,
    ];

    /// <summary>Names of files, which Landlock judges.</summary>
    private static readonly SystemCall[] Names = [open, openat, readlink, readlinkat, access, faccessat, faccessat2, stat, lstat, getdents64];

    /// <summary>A shared folder.</summary>
    private static readonly SystemCall[] Trees =
    [
        openat2, mkdirat, mknodat, unlinkat, renameat, renameat2, linkat, symlinkat, fchownat, fchmodat, fchmodat2, fchmod, fchown, utimensat,
        setxattr, getxattr, listxattr, removexattr, fsetxattr, fgetxattr, flistxattr, fremovexattr,
    ];

    /// <summary>What nobody here makes but who has got in: other programs, other processes, other users, mounts, modules, code for the kernel, keys.</summary>
    private static readonly SystemCall[] Never =
    [
        execve, execveat, fork, vfork, ptrace, process_vm_readv, process_vm_writev, process_madvise, pidfd_getfd, pidfd_send_signal, tkill,
        mount, umount2, pivot_root, chroot, setns, unshare, move_mount, open_tree, fsopen, fsmount, mount_setattr, open_by_handle_at, acct, swapon, swapoff,
        init_module, finit_module, delete_module, kexec_load, kexec_file_load, bpf, perf_event_open, userfaultfd, keyctl, add_key, request_key,
        setuid, setgid, setreuid, setregid, setresuid, setresgid, setgroups, setfsuid, setfsgid, capset, personality, reboot, iopl, ioperm, modify_ldt, io_setup,
    ];

    /// <summary>The rules, with those first that are asked for most often.</summary>
    /// <param name="policy">What is needed.</param>
    /// <param name="hasLandlock">Names of files are judged elsewhere.</param>
    /// <param name="processId">The number of this process, whose threads alone get signals.</param>
    public static IEnumerable<SystemCallRule> Rules(SandboxPolicy policy, bool hasLandlock, int processId)
    {
        IEnumerable<SystemCall> allowed = Always;
        if (policy.UsesInet || policy.UsesUnixSockets) allowed = allowed.Concat([connect, bind, listen]);
        if (policy.ServesFiles) allowed = allowed.Concat(Trees);
        if (policy.Paths.Any(path => path.Access == SandboxAccess.Sockets)) allowed = allowed.Append(unlink);
        // A filter more can only forbid more.
        if (policy.MakesRings) allowed = allowed.Concat([io_uring_setup, io_uring_register, seccomp]);
        foreach (SystemCall call in allowed) yield return SystemCallRule.Allow(call);

        // Without Landlock only those who have files to open may open any. The runtime can do without those that it looks at.
        bool namesFiles = hasLandlock || policy.ServesFiles || !policy.Paths.IsEmpty || policy.MakesCode;
        foreach (SystemCall call in Names) yield return namesFiles ? SystemCallRule.Allow(call) : SystemCallRule.Refuse(call, Errno.EACCES);
        foreach (SystemCallRule rule in Judged(policy, (uint)processId)) yield return rule;
        foreach (SystemCall call in Never) yield return SystemCallRule.Kill(call);
    }

    /// <summary>What is added when all rings are made.</summary>
    public static IEnumerable<SystemCallRule> NoMoreRings() => [SystemCallRule.Refuse(io_uring_setup, Errno.EPERM), SystemCallRule.Refuse(io_uring_register, Errno.EPERM)];

    /// <summary>What the runtime itself looks at while it runs: how much memory and how many processors there are.</summary>
    public static IEnumerable<SandboxPath> RuntimePaths(SandboxPolicy policy)
    {
        string[] looked = ["/proc/meminfo", "/sys/fs/cgroup", "/sys/devices/system/cpu", "/sys/devices/system/node"];
        // Assemblies and libraries are loaded when they are used first.
        string[] made = policy.MakesCode ? [AppContext.BaseDirectory, RuntimeEnvironment.GetRuntimeDirectory(), "/lib", "/lib64", "/usr/lib", "/etc/ld.so.cache", "/proc/self"] : [];
        return looked.Concat(made).Select(path => new SandboxPath(path, SandboxAccess.Read));
    }

    private static IEnumerable<SystemCallRule> Judged(SandboxPolicy policy, uint processId)
    {
        ArgumentTest noCode = policy.MakesCode ? ArgumentTest.Lacks(2, 0) : ArgumentTest.Lacks(2, Libc.PROT_EXEC);
        yield return SystemCallRule.Refuse(mmap, Errno.EPERM, noCode);
        yield return SystemCallRule.Refuse(mprotect, Errno.EPERM, noCode);
        // Threads, and neither processes nor namespaces. The arguments of clone3 lie where no filter sees them; the C library takes clone then.
        yield return SystemCallRule.Refuse(clone, Errno.EPERM, new ArgumentTest(0, CLONE_VM | CLONE_THREAD | NewNamespaces, CLONE_VM | CLONE_THREAD));
        yield return SystemCallRule.Refuse(clone3, Errno.ENOSYS);
        yield return SystemCallRule.Refuse(kill, Errno.EPERM, ArgumentTest.Is(0, processId));
        yield return SystemCallRule.Refuse(tgkill, Errno.EPERM, ArgumentTest.Is(0, processId));
        yield return SystemCallRule.Refuse(prctl, Errno.EPERM, ArgumentTest.Is(0, PR_SET_NAME), ArgumentTest.Is(0, PR_GET_NAME), ArgumentTest.Is(0, PR_SET_VMA));
        yield return SystemCallRule.Refuse(fcntl, Errno.EPERM, [.. FileCommands.Select(command => ArgumentTest.Is(1, command))]);
        yield return SystemCallRule.Refuse(ioctl, Errno.EPERM, [.. DeviceRequests.Select(request => ArgumentTest.Is(1, request))]);
        // Whoever is refused takes threads instead.
        yield return SystemCallRule.Refuse(io_uring_setup, Errno.EPERM);
        yield return SystemCallRule.Refuse(socket, Errno.EACCES, [.. Families(policy).Select(family => ArgumentTest.Is(0, family))]);
        // The socket of a server is made before; its name stays behind.
        yield return SystemCallRule.Refuse(unlink, Errno.EACCES);
    }

    private static IEnumerable<uint> FileCommands =>
    [
        F_DUPFD, F_GETFD, Libc.F_SETFD, Libc.F_GETFL, Libc.F_SETFL, Libc.F_DUPFD_CLOEXEC, Libc.F_ADD_SEALS, Libc.F_GET_SEALS, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW,
    ];

    private static IEnumerable<uint> DeviceRequests =>
    [
        FIONREAD, FIONBIO, TCGETS, (uint)Libc.BLKGETSIZE64, (uint)Libc.BLKDISCARD, (uint)Libc.BLKZEROOUT, (uint)Libc.BLKSSZGET, (uint)Libc.BLKPBSZGET,
        (uint)Libc.TUNGETFEATURES, (uint)Libc.TUNGETIFF, (uint)Libc.TUNSETOFFLOAD, (uint)Libc.TUNSETQUEUE, (uint)Libc.TUNSETVNETHDRSZ,
    ];

    private static IEnumerable<uint> Families(SandboxPolicy policy)
    {
        if (policy.UsesInet) yield return Libc.AF_INET;
        if (policy.UsesInet) yield return Libc.AF_INET6;
        if (policy.UsesUnixSockets) yield return Libc.AF_UNIX;
    }
}
