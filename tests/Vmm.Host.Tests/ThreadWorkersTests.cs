using Vmm.Core.Backends;

namespace Vmm.Host.Tests;

public class ThreadWorkersTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    [Fact]
    public void Wake_WhileWorking_RunsAgainAfterwards()
    {
        using ManualResetEventSlim started = new(), goOn = new();
        using CountdownEvent runs = new(2);
        using IWorker worker = new ThreadWorkers().Create("test worker", () =>
        {
            started.Set();
            goOn.Wait(Patience);
            if (!runs.IsSet) runs.Signal();
        });
        worker.Wake();
        Assert.True(started.Wait(Patience));
        worker.Wake();
        goOn.Set();
        Assert.True(runs.Wait(Patience));
    }

    [Fact]
    public void Wake_FromManyThreads_WorkNeverOverlapsAndSeesTheLastWake()
    {
        int inside = 0, overlaps = 0, wanted = 0, seen = 0;
        using IWorker worker = new ThreadWorkers().Create("test worker", () =>
        {
            if (Interlocked.Increment(ref inside) != 1) Interlocked.Increment(ref overlaps);
            Volatile.Write(ref seen, Volatile.Read(ref wanted));
            Interlocked.Decrement(ref inside);
        });
        Parallel.For(0, 20_000, _ =>
        {
            Interlocked.Increment(ref wanted);
            worker.Wake();
        });
        Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref seen) == 20_000, Patience));
        Assert.Equal(0, overlaps);
    }

    [Fact]
    public void WakeDescriptor_Signalled_WakesEachTime()
    {
        using AutoResetEvent ran = new(false);
        using IWorker worker = new ThreadWorkers().Create("test worker", () => ran.Set());
        for (int i = 0; i < 100; i++)
        {
            EventFd.SignalDescriptor(worker.WakeDescriptor);
            Assert.True(ran.WaitOne(Patience));
        }
    }

    [Fact]
    public void Wake_InTheWork_RunsAgainWithoutAnother()
    {
        using ManualResetEventSlim done = new();
        int runs = 0;
        IWorker? worker = null;
        using IWorker made = worker = new ThreadWorkers().Create("test worker", () =>
        {
            if (++runs == 1000) done.Set();
            else Volatile.Read(ref worker)!.Wake();
        });
        made.Wake();
        Assert.True(done.Wait(Patience));
    }

    [Fact]
    public void Dispose_InTheWork_IsTheEnd()
    {
        using ManualResetEventSlim done = new();
        IWorker? worker = null;
        worker = new ThreadWorkers().Create("test worker", () =>
        {
            Volatile.Read(ref worker)!.Dispose();
            done.Set();
        });
        worker.Wake();
        Assert.True(done.Wait(Patience));
        worker.Wake();
        worker.Dispose();
    }

    [Fact]
    public void Dispose_WaitsForTheRunAndEndsTheWork()
    {
        using ManualResetEventSlim started = new();
        int runs = 0;
        bool isDone = false;
        IWorker worker = new ThreadWorkers().Create("test worker", () =>
        {
            started.Set();
            Thread.Sleep(50);
            Volatile.Write(ref isDone, true);
            runs++;
        });
        worker.Wake();
        Assert.True(started.Wait(Patience));
        worker.Dispose();
        Assert.True(Volatile.Read(ref isDone));
        worker.Wake();
        Thread.Sleep(20);
        Assert.Equal(1, runs);
    }
}
