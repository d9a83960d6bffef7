using Vmm.Host.Aio;

namespace Vmm.Host.Tests.Aio;

public class SharedAccessTests
{
    private readonly SharedAccess _access = new();

    [Fact]
    public void TryEnter_SomeoneIsAlone_False()
    {
        _access.EnterAlone();
        Assert.False(_access.TryEnter(out _));
        _access.LeaveAlone();
        Assert.True(_access.TryEnter(out _));
    }

    [Fact]
    public void EnterAlone_OthersInside_WaitsAndLetsNobodyElseIn()
    {
        int first = _access.Enter(), second = _access.Enter();
        Thread alone = new(_access.EnterAlone);
        alone.Start();
        Assert.True(SpinWait.SpinUntil(() => !Enters(), TimeSpan.FromSeconds(30)));
        _access.Leave(first);
        Assert.False(alone.Join(20));
        _access.Leave(second);
        Assert.True(alone.Join(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public void Turn_WhoWasInside_IsWaitedForAndNewcomersAreNot()
    {
        int before = _access.Enter();
        int round = _access.Turn();
        int after = _access.Enter();
        Assert.False(_access.HasEnded(round));
        _access.Leave(before);
        Assert.True(_access.HasEnded(round));
        _access.Leave(after);
    }

    [Fact]
    public void Turn_RoundBeforeHasNotEnded_IsRefused()
    {
        _access.Enter();
        _access.Turn();
        Assert.Throws<InvalidOperationException>(() => _access.Turn());
    }

    [Fact]
    public void ManyThreads_AloneExcludesAll()
    {
        int inside = 0, wrong = 0;
        Parallel.For(0, 4, i =>
        {
            for (int n = 0; n < 2000; n++)
            {
                if (i == 0 && n % 10 == 0)
                {
                    _access.EnterAlone();
                    if (Volatile.Read(ref inside) != 0) Interlocked.Increment(ref wrong);
                    _access.LeaveAlone();
                    continue;
                }

                int ticket = _access.Enter();
                Interlocked.Increment(ref inside);
                Interlocked.Decrement(ref inside);
                _access.Leave(ticket);
            }
        });
        Assert.Equal(0, wrong);
    }

    private bool Enters()
    {
        if (!_access.TryEnter(out int ticket)) return false;
        _access.Leave(ticket);
        return true;
    }
}
