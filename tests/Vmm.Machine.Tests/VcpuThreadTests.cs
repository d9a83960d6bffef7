using Vmm.Core.Bus;
using Vmm.Core.Hypervisor;

namespace Vmm.Machine.Tests;

public sealed class VcpuThreadTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly FakeVcpu _vcpu = new();
    private readonly ManualResetEventSlim _left = new();
    private readonly VcpuThread _thread;
    private (VcpuExit Exit, string? Why)? _end;

    public VcpuThreadTests() => _thread = new VcpuThread(0, () => _vcpu, new VcpuIo(AddressBus.Ports(), AddressBus.Mmio(), 0), (_, exit, why) =>
    {
        _end = (exit, why);
        _left.Set();
    });

    public void Dispose()
    {
        Assert.True(_thread.TryEnd());
        Assert.True(_vcpu.IsDisposed);
        _left.Dispose();
    }

    [Fact]
    public void New_Thread_IsParked()
    {
        _thread.WaitParked();
        Assert.Equal(0, _vcpu.Runs);
    }

    [Fact]
    public void ParkAndResume_ManyTimes_NeverLosesAKick()
    {
        for (int i = 0; i < 2000; i++)
        {
            _thread.Resume();
            _thread.Park();
            _thread.WaitParked();
            Assert.False(_vcpu.IsInside);
        }
    }

    [Fact]
    public void Execute_Parked_RunsOnTheVcpusThread()
    {
        _thread.Resume();
        Assert.True(SpinWait.SpinUntil(() => _vcpu.IsInside, Patience));
        _thread.Park();
        int thread = 0;
        _thread.Execute(_ => thread = Environment.CurrentManagedThreadId);

        Assert.Equal(_vcpu.ThreadOfRun, thread);
    }

    [Fact]
    public void Execute_WorkThrows_CallerGetsItAndTheThreadLives()
    {
        HypervisorException failure = Assert.Throws<HypervisorException>(() => _thread.Execute(_ => throw new InvalidOperationException("on purpose")));
        Assert.Equal("on purpose", failure.Message);
        bool ran = false;
        _thread.Execute(_ => ran = true);
        Assert.True(ran);
    }

    [Fact]
    public void Run_GuestLeaves_IsToldOnceAndDoesNotRunAgain()
    {
        _thread.Resume();
        _vcpu.Leave(VcpuExit.TripleFault);
        Assert.True(_left.Wait(Patience));
        _thread.Resume();
        _thread.Execute(_ => { });

        Assert.Equal(VcpuExit.TripleFault, _end!.Value.Exit);
        Assert.Equal(1, _vcpu.Runs);
    }

    [Fact]
    public void Run_Throws_IsAFailureWithItsMessage()
    {
        _thread.Resume();
        _vcpu.Throw(new InvalidOperationException("on purpose"));
        Assert.True(_left.Wait(Patience));

        Assert.Equal((VcpuExit.Failed, "on purpose"), _end);
    }

    [Fact]
    public void New_VcpuCannotBeMade_ThrowsItsReason()
    {
        HypervisorException failure = Assert.Throws<HypervisorException>(() =>
            new VcpuThread(1, () => throw new HypervisorException("no more"), new VcpuIo(AddressBus.Ports(), AddressBus.Mmio(), 1), (_, _, _) => { }));
        Assert.Equal("no more", failure.Message);
    }
}
