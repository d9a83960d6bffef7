using System.Globalization;
using System.Runtime.InteropServices;
using Vmm.Host.Native;

namespace Vmm.Host;

/// <summary>Threads of this process as the kernel knows them, by their ids (gettid(2)).</summary>
public static unsafe class HostThread
{
    /// <summary>The most processors that can be named.</summary>
    public const int MostProcessors = 8192;

    private const int WordBits = 64, MaskWords = MostProcessors / WordBits;

    // proc_pid_stat(5), counted from the state, which stands behind the name.
    private const int StateField = 0, ProcessorField = 36;

    /// <summary>The id of the calling thread.</summary>
    public static int CurrentId => Libc.GetTid();

    /// <summary>The processors on which a thread may run.</summary>
    /// <exception cref="LinuxException">There is no such thread.</exception>
    public static IReadOnlyList<int> Affinity(int threadId)
    {
        ulong* mask = stackalloc ulong[MaskWords];
        new Span<ulong>(mask, MaskWords).Clear();
        // SAFETY: the mask has the size that is said.
        if (Libc.SchedGetAffinity(threadId, MaskWords * sizeof(ulong), mask) < 0) throw LinuxException.FromLastError($"asking where thread {threadId} may run");
        List<int> cpus = [];
        for (int cpu = 0; cpu < MostProcessors; cpu++)
        {
            if ((mask[cpu / WordBits] & (1UL << (cpu % WordBits))) != 0) cpus.Add(cpu);
        }

        return cpus;
    }

    /// <summary>Says on which processors a thread may run. Those that the host has not got are left out by the kernel.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A number is not from 0 to <see cref="MostProcessors"/> - 1.</exception>
    /// <exception cref="LinuxException">None is left, or the host refused.</exception>
    public static void SetAffinity(int threadId, IEnumerable<int> cpus)
    {
        ulong* mask = stackalloc ulong[MaskWords];
        new Span<ulong>(mask, MaskWords).Clear();
        foreach (int cpu in cpus)
        {
            if (cpu is < 0 or >= MostProcessors) throw new ArgumentOutOfRangeException(nameof(cpus), $"{cpu} is not from 0 to {MostProcessors - 1}");
            mask[cpu / WordBits] |= 1UL << (cpu % WordBits);
        }

        // SAFETY: as above.
        if (Libc.SchedSetAffinity(threadId, MaskWords * sizeof(ulong), mask) == 0) return;
        int errno = Marshal.GetLastPInvokeError();
        throw errno == Errno.EINVAL
            ? new LinuxException("this process may run on none of these processors")
            : new LinuxException($"saying where thread {threadId} may run", errno);
    }

    /// <summary>What a thread of this process does and has cost.</summary>
    /// <param name="threadId">The thread.</param>
    /// <returns>Null when it has ended.</returns>
    public static ThreadUse? Use(int threadId)
    {
        try
        {
            string task = $"/proc/self/task/{threadId}";
            // The name may hold anything, parentheses too.
            string stat = File.ReadAllText($"{task}/stat");
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            // The first field is the time on a processor in nanoseconds: finer than the ticks of stat.
            string time = File.ReadAllText($"{task}/schedstat").Split(' ')[0];
            return new ThreadUse(fields[StateField] == "R", TimeSpan.FromTicks(long.Parse(time, CultureInfo.InvariantCulture) / TimeSpan.NanosecondsPerTick),
                int.Parse(fields[ProcessorField], CultureInfo.InvariantCulture));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
