using Vmm.Core.Time;

namespace Vmm.Machine.Devices;

/// <summary>
/// The machine's time through all its lives: each life has a clock of its own, which begins at 0, and what outlives a reset (a network's
/// leases) goes on counting. Before the first life and between two of them it follows the last one.
/// </summary>
internal sealed class LifeClock : IClock
{
    private readonly Lock _gate = new();
    private readonly List<Timer> _timers = [];
    private volatile Life? _life;

    /// <inheritdoc/>
    public long NowNs => _life is { } life ? life.OffsetNs + life.Clock.NowNs : 0;

    /// <inheritdoc/>
    public DateTimeOffset UtcNow => DateTimeOffset.UtcNow;

    /// <summary>A new life begins. Timers keep their deadlines.</summary>
    public void Begin(IClock clock)
    {
        lock (_gate)
        {
            _life = new Life(clock, NowNs - clock.NowNs);
            foreach (Timer timer in _timers) timer.Move(_life);
        }
    }

    /// <inheritdoc/>
    public IClockTimer CreateTimer(Action expired)
    {
        Timer timer = new(this, expired);
        lock (_gate)
        {
            _timers.Add(timer);
            if (_life is { } life) timer.Move(life);
        }

        return timer;
    }

    private sealed record Life(IClock Clock, long OffsetNs);

    private sealed class Timer(LifeClock owner, Action expired) : IClockTimer
    {
        private IClockTimer? _inner;
        private long _offsetNs;
        private long? _deadlineNs;

        public void Arm(long deadlineNs)
        {
            lock (owner._gate)
            {
                _deadlineNs = deadlineNs;
                _inner?.Arm(deadlineNs - _offsetNs);
            }
        }

        public void Disarm()
        {
            lock (owner._gate)
            {
                _deadlineNs = null;
                _inner?.Disarm();
            }
        }

        public void Dispose()
        {
            lock (owner._gate)
            {
                owner._timers.Remove(this);
                _inner?.Dispose();
                _inner = null;
            }
        }

        /// <summary>Under the lock.</summary>
        public void Move(Life life)
        {
            _inner?.Dispose();
            _offsetNs = life.OffsetNs;
            _inner = life.Clock.CreateTimer(expired);
            if (_deadlineNs is { } deadline) _inner.Arm(deadline - _offsetNs);
        }
    }
}
