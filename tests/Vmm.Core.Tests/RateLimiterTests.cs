using Vmm.Core.Time;
using Vmm.TestKit;

namespace Vmm.Core.Tests;

public sealed class RateLimiterTests : IDisposable
{
    private const long Second = 1_000_000_000;

    private readonly FakeClock _clock = new();
    private readonly RateLimiter _limiter;
    private ulong _bytes, _operations;
    private int _wakes;

    public RateLimiterTests()
    {
        _limiter = new RateLimiter(_clock, default);
        _limiter.Attach(() => _wakes++);
    }

    public void Dispose() => _limiter.Dispose();

    [Theory]
    [InlineData(1, 1)]
    [InlineData(777, 3)]
    [InlineData(1_000_003, 4096)]
    [InlineData(123_456_789, 65_537)]
    [InlineData(10_000_000_000, 1 << 20)]
    public void Bytes_LongRun_RateIsExact(ulong perSecond, ulong request)
    {
        _limiter.Limits = new(new TokenRate(perSecond), default);
        Greedy(() => request);
        long seconds = (long)Math.Max(20, 200 * request / perSecond);
        ulong before = _bytes;
        _clock.Advance(seconds * Second);
        double expected = perSecond * (double)seconds;
        Assert.InRange(_bytes - before, expected - request, expected + request);
    }

    [Fact]
    public void Both_LongRunWithMixedRequests_TheTighterLimitCounts()
    {
        Random random = new(5);
        _limiter.Limits = new(new TokenRate(1_000_000), new TokenRate(100));
        Greedy(() => (ulong)random.Next(1, 5000));
        _clock.Advance(100 * Second);
        Assert.InRange(_operations, 9_900ul, 10_100ul);
        _limiter.Limits = new(new TokenRate(100_000), new TokenRate(100));
        _bytes = 0;
        _clock.Advance(100 * Second);
        Assert.InRange(_bytes, 9_900_000ul, 10_100_000ul);
    }

    [Fact]
    public void Burst_AfterARest_PassesAtOnceThenWaits()
    {
        _limiter.Limits = new(new TokenRate(1000, 5000), default);
        Assert.Equal(5, Enumerable.Range(0, 100).Count(_ => _limiter.TryTake(1000)));
        _clock.Advance(3 * Second);
        Assert.Equal(3, Enumerable.Range(0, 100).Count(_ => _limiter.TryTake(1000)));
        _clock.Advance(3600 * Second);
        Assert.Equal(5, Enumerable.Range(0, 100).Count(_ => _limiter.TryTake(1000)));
    }

    [Fact]
    public void LargerThanTheBucket_PassesAndIsPaidForAfterwards()
    {
        _limiter.Limits = new(new TokenRate(1000, 10), default);
        Assert.True(_limiter.TryTake(5010));
        Assert.False(_limiter.TryTake(1));
        _wakes = 0;
        _clock.Advance(5 * Second);
        Assert.False(_limiter.TryTake(1));
        Assert.Equal(0, _wakes);
        _clock.Advance(Second / 1000);
        Assert.Equal(1, _wakes);
        Assert.True(_limiter.TryTake(1));
    }

    [Fact]
    public void Refused_ManyTimes_OneWakeAndOnlyWhenThereIsRoom()
    {
        _limiter.Limits = new(default, new TokenRate(10, 1));
        _wakes = 0;
        Assert.True(_limiter.TryTake(0));
        for (int i = 0; i < 1000; i++) Assert.False(_limiter.MayPass());
        _clock.Advance(Second / 10 - 1);
        Assert.Equal(0, _wakes);
        _clock.Advance(1);
        Assert.Equal(1, _wakes);
        Assert.True(_limiter.MayPass());
        _clock.Advance(100 * Second);
        Assert.Equal(1, _wakes);
    }

    [Fact]
    public void Faster_WhileWaiting_WakesAndDebtGoesAtTheNewRate()
    {
        _limiter.Limits = new(new TokenRate(1, 1), default);
        Assert.True(_limiter.TryTake(1001));
        Assert.False(_limiter.MayPass());
        _wakes = 0;
        _limiter.Limits = new(new TokenRate(1000, 1), default);
        Assert.Equal(1, _wakes);
        Assert.False(_limiter.MayPass());
        _clock.Advance(Second + Second / 1000);
        Assert.Equal(2, _wakes);
        Assert.True(_limiter.MayPass());
    }

    [Fact]
    public void Slower_FullBucket_ShrinksToTheNewBurst()
    {
        _limiter.Limits = new(new TokenRate(1000, 1000), default);
        _limiter.Limits = new(new TokenRate(1000, 10), default);
        Assert.True(_limiter.TryTake(10));
        Assert.False(_limiter.MayPass());
    }

    [Fact]
    public void Lifted_WhileWaiting_EverythingPasses()
    {
        _limiter.Limits = new(new TokenRate(1), new TokenRate(1));
        Assert.True(_limiter.TryTake(ulong.MaxValue));
        Assert.False(_limiter.TryTake(1));
        _wakes = 0;
        _limiter.Limits = default;
        Assert.Equal(1, _wakes);
        for (int i = 0; i < 1000; i++) Assert.True(_limiter.TryTake(ulong.MaxValue));
        Assert.Equal(default, _limiter.Limits);
    }

    [Fact]
    public void EndlessDebt_IsBounded()
    {
        _limiter.Limits = new(new TokenRate(TokenRate.MostPerSecond, 1), default);
        for (int i = 0; i < 1000; i++) _limiter.Charge(ulong.MaxValue);
        Assert.False(_limiter.MayPass());
        _clock.Advance(20_000 * Second);
        Assert.True(_limiter.MayPass());
    }

    [Theory]
    [InlineData(TokenRate.MostPerSecond + 1, 0)]
    [InlineData(1, TokenRate.MostPerSecond + 1)]
    [InlineData(0, 1)]
    public void Impossible_Throws(ulong rate, ulong burst)
        => Assert.Throws<ArgumentException>(() => _limiter.Limits = new(default, new TokenRate(rate, burst)));

    [Fact]
    public void Disposed_NeverWakes()
    {
        _limiter.Limits = new(default, new TokenRate(1, 1));
        _limiter.TryTake(0);
        Assert.False(_limiter.MayPass());
        _wakes = 0;
        _limiter.Dispose();
        _clock.Advance(10 * Second);
        Assert.Equal(0, _wakes);
    }

    [Fact]
    public void Requests_OnceWarm_AllocateNothing()
    {
        _limiter.Limits = new(new TokenRate(1_000_000, 5000), new TokenRate(1000));
        Many(100);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Many(10_000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private void Many(int count)
    {
        for (int i = 0; i < count; i++) _limiter.TryTake(4096);
    }

    /// <summary>Takes all that is allowed, now and at each wake.</summary>
    private void Greedy(Func<ulong> request)
    {
        _limiter.Attach(Take);
        Take();

        void Take()
        {
            for (ulong bytes = request(); _limiter.TryTake(bytes); bytes = request())
            {
                _bytes += bytes;
                _operations++;
            }
        }
    }
}
