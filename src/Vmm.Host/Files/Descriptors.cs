using Vmm.Host.Native;

namespace Vmm.Host.Files;

/// <summary>Keeps shared directories from taking the descriptors that the rest of the process needs.</summary>
internal static unsafe class Descriptors
{
    // For everything else in the process.
    private const int Reserve = 256;
    private const int Least = 64;

    private static readonly int Limit = FindLimit();
    private static int _used;

    /// <summary>Counts one in.</summary>
    /// <returns>False when there are too many.</returns>
    public static bool TryTake()
    {
        if (Interlocked.Increment(ref _used) <= Limit) return true;
        GiveBack();
        return false;
    }

    /// <summary>Counts one out.</summary>
    public static void GiveBack() => Interlocked.Decrement(ref _used);

    // The soft limit is for programs that use select; this one may have what the hard limit gives.
    private static int FindLimit()
    {
        Libc.RLimit limit;
        if (Libc.GetRLimit(Libc.RLIMIT_NOFILE, &limit) != 0) return Least;
        Libc.RLimit raised = new() { Soft = limit.Hard, Hard = limit.Hard };
        if (limit.Soft < limit.Hard && Libc.SetRLimit(Libc.RLIMIT_NOFILE, &raised) == 0) limit = raised;
        return (int)Math.Clamp(limit.Soft, Reserve + Least, int.MaxValue) - Reserve;
    }
}
