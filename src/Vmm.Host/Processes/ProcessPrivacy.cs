using Vmm.Host.Native;

namespace Vmm.Host.Processes;

/// <summary>Keeps others out of a process that holds a guest's memory.</summary>
public static class ProcessPrivacy
{
    /// <summary>No core dumps, and no other process of the same user looks into it or takes its descriptors.</summary>
    public static void Enter()
    {
        const int PR_SET_DUMPABLE = 4;
        _ = Libc.Prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    }
}
