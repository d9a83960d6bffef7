using System.Collections.Concurrent;

namespace Vmm.Host.Tests;

public sealed class EpollLoopTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly ConcurrentQueue<string> _reports = new();
    private readonly EpollLoop _loop;

    public EpollLoopTests() => _loop = new EpollLoop("test loop", _reports.Enqueue);

    public void Dispose() => _loop.Dispose();

    [Fact]
    public void Post_ManyThreads_RunsAllInOrderOfEach()
    {
        const int Threads = 4, Each = 1000;
        List<int>[] seen = [.. Enumerable.Range(0, Threads).Select(_ => new List<int>())];
        Parallel.For(0, Threads, t =>
        {
            for (int i = 0; i < Each; i++)
            {
                int value = i;
                _loop.Post(() => seen[t].Add(value));
            }
        });
        _loop.Invoke(() => { });

        Assert.All(seen, list => Assert.Equal(Enumerable.Range(0, Each), list));
    }

    [Fact]
    public void Post_ActionThrows_IsReportedAndTheLoopGoesOn()
    {
        _loop.Post(() => throw new InvalidOperationException("on purpose"));
        bool ran = false;
        _loop.Invoke(() => ran = true);

        Assert.True(ran);
        Assert.Contains("on purpose", Assert.Single(_reports), StringComparison.Ordinal);
    }

    [Fact]
    public void Add_DescriptorReady_HandlerRunsOnTheLoop()
    {
        using EventFd signal = new();
        using ManualResetEventSlim done = new();
        bool onLoop = false;
        using EpollRegistration registration = _loop.Add(signal.Fd, EpollEvents.Readable, _ =>
        {
            signal.Drain();
            onLoop = _loop.IsCurrent;
            done.Set();
        });
        signal.Signal();

        Assert.True(done.Wait(Patience));
        Assert.True(onLoop);
    }

    [Fact]
    public void Handler_Throws_IsReportedOnceAndNoLongerCalled()
    {
        using EventFd bad = new();
        using EventFd good = new();
        using ManualResetEventSlim done = new();
        int calls = 0;
        using EpollRegistration first = _loop.Add(bad.Fd, EpollEvents.Readable, _ =>
        {
            calls++;
            throw new InvalidOperationException("on purpose");
        });
        bad.Signal();
        _loop.Invoke(() => { });
        using EpollRegistration second = _loop.Add(good.Fd, EpollEvents.Readable, _ =>
        {
            good.Drain();
            done.Set();
        });
        good.Signal();

        Assert.True(done.Wait(Patience));
        _loop.Invoke(() => { });
        Assert.Equal(1, calls);
        Assert.Single(_reports);
    }

    [Fact]
    public void Dispose_Registration_HandlerIsNotCalledAgain()
    {
        using EventFd signal = new();
        int calls = 0;
        EpollRegistration registration = _loop.Add(signal.Fd, EpollEvents.Readable, _ => calls++);
        _loop.Invoke(registration.Dispose);
        signal.Signal();
        _loop.Invoke(() => { });
        _loop.Invoke(() => { });

        Assert.Equal(0, calls);
    }

    [Fact]
    public void Watch_NothingThenReadable_HandlerRunsOnlyThen()
    {
        using EventFd signal = new();
        using ManualResetEventSlim done = new();
        using EpollRegistration registration = _loop.Add(signal.Fd, EpollEvents.None, _ =>
        {
            signal.Drain();
            done.Set();
        });
        signal.Signal();
        _loop.Invoke(() => { });
        Assert.False(done.IsSet);

        registration.Watch(EpollEvents.Readable);
        Assert.True(done.Wait(Patience));
    }

    [Fact]
    public void Post_AfterDispose_IsRefused()
    {
        EpollLoop loop = new("short", _reports.Enqueue);
        loop.Dispose();

        Assert.False(loop.Post(() => { }));
    }
}
