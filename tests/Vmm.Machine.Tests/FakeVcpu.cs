using Vmm.Core.Hypervisor;

namespace Vmm.Machine.Tests;

/// <summary>A vCPU whose "guest" waits for a kick, or leaves as the test says.</summary>
internal sealed class FakeVcpu : IVcpu
{
    private readonly SemaphoreSlim _events = new(0);
    private VcpuExit? _exit;
    private Exception? _failure;
    private int _kicked;

    public int Index { get; init; }

    public string? FailureReason { get; init; }

    public int Runs;

    public int ThreadOfRun;

    public volatile bool IsInside;

    public bool IsDisposed { get; private set; }

    /// <summary>Makes the guest leave.</summary>
    public void Leave(VcpuExit exit)
    {
        _exit = exit;
        _events.Release();
    }

    /// <summary>Makes Run throw.</summary>
    public void Throw(Exception failure)
    {
        _failure = failure;
        _events.Release();
    }

    public VcpuExit Run(IVcpuIo io)
    {
        Interlocked.Increment(ref Runs);
        ThreadOfRun = Environment.CurrentManagedThreadId;
        IsInside = true;
        while (Interlocked.Exchange(ref _kicked, 0) == 0 && _exit is null && _failure is null) _events.Wait();
        IsInside = false;
        if (_failure is not null) throw _failure;
        return _exit ?? VcpuExit.Interrupted;
    }

    public void Kick()
    {
        Volatile.Write(ref _kicked, 1);
        _events.Release();
    }

    public void Capture(VcpuState to)
    {
        to.Rip = 0x1234;
        to.Gpr[0] = (ulong)Environment.CurrentManagedThreadId;
    }

    public void Apply(VcpuState from) { }

    public void Dispose() => IsDisposed = true;
}
