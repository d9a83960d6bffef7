using Vmm.Core.Time;

namespace Vmm.TestKit;

/// <summary>A clock that moves only when the test says so; timers expire inside <see cref="Advance"/>, in the order of their deadlines.</summary>
public sealed class FakeClock : IClock
{
    private readonly List<Timer> _timers = [];

    public long NowNs { get; private set; }

    public DateTimeOffset Epoch { get; set; } = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    public DateTimeOffset UtcNow => Epoch.AddTicks(NowNs / 100);

    public IClockTimer CreateTimer(Action expired)
    {
        Timer timer = new(this, expired);
        _timers.Add(timer);
        return timer;
    }

    /// <summary>Moves the time on and lets every timer on the way expire at its own time.</summary>
    public void Advance(long ns)
    {
        long target = NowNs + ns;
        while (true)
        {
            Timer? next = _timers.Where(t => t.DeadlineNs is { } d && d <= target).MinBy(t => t.DeadlineNs);
            if (next is null) break;
            NowNs = Math.Max(NowNs, next.DeadlineNs!.Value);
            next.DeadlineNs = null;
            next.Expired();
        }

        NowNs = target;
    }

    private sealed class Timer(FakeClock owner, Action expired) : IClockTimer
    {
        public long? DeadlineNs { get; set; }

        public Action Expired => expired;

        public void Arm(long deadlineNs) => DeadlineNs = deadlineNs;

        public void Disarm() => DeadlineNs = null;

        public void Dispose() => owner._timers.Remove(this);
    }
}
