using System.Diagnostics;

namespace Vmm.Fuzz;

/// <summary>Runs inputs through a target on a thread of its own, and sees that they end in time, in bounded memory and without an exception.</summary>
public sealed class FuzzRunner(IFuzzTarget target)
{
    private const int MostWaits = 12;

    private readonly Lock _gate = new();
    private byte[] _current = [];
    private long _started;
    private TimeSpan _cpuAtStart;
    private FuzzFinding? _finding;

    /// <summary>Inputs that were run.</summary>
    public int Done { get; private set; }

    /// <summary>Runs inputs until one is a finding, or none is left.</summary>
    /// <returns>The finding, or null. After one about time, the thread that hangs is left behind.</returns>
    public FuzzFinding? Run(IEnumerable<byte[]> inputs)
    {
        _finding = null;
        Thread thread = new(() => RunAll(inputs), 1 << 20) { IsBackground = true, Name = $"fuzz {target.Name}" };
        NoteStart();
        thread.Start();
        while (!thread.Join(TimeSpan.FromMilliseconds(200)))
        {
            lock (_gate)
            {
                if (IsTooLong()) return new FuzzFinding($"takes more than {target.MostTime.TotalSeconds} s", _current);
            }
        }

        return _finding;
    }

    private void NoteStart()
    {
        _started = Stopwatch.GetTimestamp();
        _cpuAtStart = Environment.CpuUsage.TotalTime;
    }

    // On a machine that is short of processors only work counts, and waiting only when there is no end to it.
    private bool IsTooLong()
    {
        TimeSpan elapsed = Stopwatch.GetElapsedTime(_started);
        bool hasWorked = Environment.CpuUsage.TotalTime - _cpuAtStart > target.MostTime;
        return elapsed > target.MostTime && (hasWorked || elapsed > MostWaits * target.MostTime);
    }

    private void RunAll(IEnumerable<byte[]> inputs)
    {
        foreach (byte[] input in inputs)
        {
            lock (_gate)
            {
                _current = input;
                NoteStart();
            }

            _finding = RunOne(input);
            if (_finding is not null) return;
            Done++;
        }
    }

    private FuzzFinding? RunOne(byte[] input)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            target.Run(input);
        }
        catch (Exception e)
        {
            // Whatever it is: that it came out is what is to be shown.
            return new FuzzFinding(e.ToString(), input);
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        return allocated > target.MostAllocatedBytes ? new FuzzFinding($"allocates {allocated >> 20} MiB", input) : null;
    }
}
