using Vmm.Host.Native;
using Vmm.Host.Sockets;

namespace Vmm.Host.Sandbox;

/// <summary>
/// Takes from this process what it does not need: new privileges, capabilities, names of files, system calls. It cannot be undone, and counts for
/// all its threads. What only an intruder would call ends the process (SIGSYS), and who started it can start another; what merely was not foreseen
/// fails, because a newer C library may try it and goes on without.
/// </summary>
public static unsafe class ProcessSandbox
{
    private const int PR_CAPBSET_DROP = 24, PR_SET_NO_NEW_PRIVS = 38, PR_GET_NO_NEW_PRIVS = 39, PR_CAP_AMBIENT = 47, PR_CAP_AMBIENT_CLEAR_ALL = 4;

    /// <summary>The version of Landlock that this kernel has; 0 for none.</summary>
    public static int LandlockVersion => LandlockRules.Version;

    /// <summary>Whether this kernel filters system calls.</summary>
    public static bool HasSeccomp
    {
        get
        {
            const nint SECCOMP_GET_ACTION_AVAIL = 2;
            uint action = SystemCallFilter.SECCOMP_RET_KILL_PROCESS;
            // SAFETY: a local that outlives the call.
            return Libc.Syscall((nint)SystemCall.seccomp, SECCOMP_GET_ACTION_AVAIL, 0, (nint)(&action), 0, 0, 0) == 0;
        }
    }

    /// <summary>Confines this process.</summary>
    /// <exception cref="LinuxException">The kernel refuses; the process may be confined in part.</exception>
    public static void Enter(SandboxPolicy policy)
    {
        // Its handler could not be made later.
        BusErrorGuard.Prepare();
        using LandlockRules? rules = LandlockVersion == 0 ? null : new LandlockRules(policy.UsesInet);
        foreach (SandboxPath path in SystemCallPolicy.RuntimePaths(policy).Concat(policy.Paths)) rules?.Allow(path);
        Confine(rules, Kept(policy));
        SystemCallFilter.Install(SystemCallFilter.Assemble(SystemCallPolicy.Rules(policy, hasLandlock: rules is not null, Libc.GetPid())));
    }

    /// <summary>From now on no io_uring is set up: whoever might have got in could do with one what no filter sees.</summary>
    /// <exception cref="LinuxException">The kernel refuses.</exception>
    public static void RefuseRings() => SystemCallFilter.Install(SystemCallFilter.Assemble(SystemCallPolicy.NoMoreRings(), SystemCallFilter.SECCOMP_RET_ALLOW));

    private static Capability Kept(SandboxPolicy policy)
    {
        Capability kept = Capability.None;
        if (policy.ServesFiles) kept |= Capability.CAP_CHOWN | Capability.CAP_DAC_OVERRIDE | Capability.CAP_FOWNER | Capability.CAP_FSETID;
        if (policy.MakesDevices) kept |= Capability.CAP_MKNOD;
        if (policy.UsesLowPorts) kept |= Capability.CAP_NET_BIND_SERVICE;
        if (policy.UsesEcho && !InetSocket.HasEcho) kept |= Capability.CAP_NET_RAW;
        return kept;
    }

    private static void Confine(LandlockRules? rules, Capability kept)
    {
        // In two rounds: a thread that a confined one starts is confined, and has lost the right to what the first round asks.
        List<ThreadCall> first = [];
        Capability effective = (Capability)HostPrivilege.Effective;
        if ((effective & Capability.CAP_SETPCAP) != 0)
        {
            // What the kernel does not know is in no set.
            for (int bit = 0; bit < sizeof(ulong) * 8; bit++)
            {
                if ((HostPrivilege.Bounding & ~(ulong)kept & (1UL << bit)) != 0) first.Add(ThreadCall.Of(SystemCall.prctl, PR_CAPBSET_DROP, bit));
            }
        }

        if (first.Count != 0) EveryThread.Do([.. first]);
        // Nor can it restrict itself again and again: Landlock counts. By the flag it is known, where the process has not begun with it.
        bool isTold = Libc.Syscall((nint)SystemCall.prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0, 0) == 0;
        List<ThreadCall> second = [ThreadCall.Of(SystemCall.prctl, PR_SET_NO_NEW_PRIVS, 1), ThreadCall.Of(SystemCall.prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)];
        if (rules is not null) second.Add(ThreadCall.Of(SystemCall.landlock_restrict_self, rules.Fd));
        ulong held = (ulong)(kept & effective);
        Libc.CapabilityHeader header = new() { Version = Libc.LINUX_CAPABILITY_VERSION_3 };
        Libc.CapabilitySets sets = new() { EffectiveLow = (uint)held, PermittedLow = (uint)held, EffectiveHigh = (uint)(held >> 32), PermittedHigh = (uint)(held >> 32) };
        // SAFETY: two locals, which outlive the calls of all threads: this one waits for them.
        second.Add(ThreadCall.Of(SystemCall.capset, (nint)(&header), (nint)(&sets)));
        EveryThread.Do([.. second], isTold ? HasNoNewPrivileges : null);
    }

    private static bool HasNoNewPrivileges(string task)
    {
        try
        {
            return File.ReadLines($"{task}/status").Contains("NoNewPrivs:\t1");
        }
        catch (IOException)
        {
            // It has ended.
            return true;
        }
    }
}
