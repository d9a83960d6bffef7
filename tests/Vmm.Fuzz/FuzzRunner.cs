using System.Diagnostics;

namespace Vmm.Fuzz;

/// <summary>Runs inputs through a target on a thread of its own, and sees that they end in time, in bounded memory and without an exception.</summary>
public sealed class FuzzRunner(IFuzzTarget target)
{
    private readonly Lock _gate = new();
    private byte[] _current = [];
    private long _started;
    private FuzzFinding? _finding;

    /// <summary>Inputs that were run.</summary>
    public int Done { get; private set; }

    /// <summary>Runs inputs until one is a finding, or none is left.</summary>
    /// <returns>The finding, or null. After one about time, the thread that hangs is left behind.</returns>
    public FuzzFinding? Run(IEnumerable<byte[]> inputs)
    {
        _finding = null;
        Thread thread = new(() => RunAll(inputs), 1 << 20) { IsBackground = true, Name = $"fuzz {target.Name}" };
        _started = Stopwatch.GetTimestamp();
        thread.Start();
        while (!thread.Join(TimeSpan.FromMilliseconds(200)))
        {
            lock (_gate)
            {
                if (Stopwatch.GetElapsedTime(_started) > target.MostTime) return new FuzzFinding($"takes more than {target.MostTime.TotalSeconds} s", _current);
            }
        }

        return _finding;
    }

    private void RunAll(IEnumerable<byte[]> inputs)
    {
        foreach (byte[] input in inputs)
        {
            lock (_gate)
            {
                _current = input;
                _started = Stopwatch.GetTimestamp();
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
