namespace Vmm.Core.Time;

/// <summary>
/// Holds one device or direction to its <see cref="RateLimits"/>. Whoever is refused need not ask again: it is woken when there is room.
/// Nothing is allocated for a request. Thread-safe; several queues may share one.
/// </summary>
/// <remarks>
/// Either <see cref="TryTake"/> for a request whose size is known, or <see cref="MayPass"/> before it is known and <see cref="Charge"/>
/// after: then as many requests as there are threads can pass together, and the debt is waited for afterwards. The lock here is held for the
/// arithmetic and the timer only, never during a wake.
/// </remarks>
public sealed class RateLimiter : IDisposable
{
    private const long NotArmed = long.MaxValue;

    private readonly Lock _gate = new();
    private readonly IClock _clock;
    private readonly IClockTimer _timer;
    private Action? _wake;
    private TokenBucket _bytes, _operations;
    private RateLimits _limits;
    private long _armedNs = NotArmed;
    private bool _isLimited;

    /// <param name="clock">The machine's time: a pause refills nothing.</param>
    /// <param name="limits">The limits to begin with; the buckets are full.</param>
    public RateLimiter(IClock clock, RateLimits limits)
    {
        _clock = clock;
        _timer = clock.CreateTimer(Expired);
        Limits = limits;
    }

    /// <summary>The limits. A change counts from now on and wakes who waits; debts stay.</summary>
    public RateLimits Limits
    {
        get
        {
            lock (_gate) return _limits;
        }

        set
        {
            Check(value.Bytes);
            Check(value.Operations);
            lock (_gate)
            {
                long now = _clock.NowNs;
                _limits = value;
                _bytes.Set(value.Bytes, now);
                _operations.Set(value.Operations, now);
                Volatile.Write(ref _isLimited, value.IsLimited);
                _armedNs = NotArmed;
                _timer.Disarm();
            }

            Volatile.Read(ref _wake)?.Invoke();
        }
    }

    /// <summary>Names whom to wake: called on the event-loop thread or the one that changes the limits, without locks; must not block.</summary>
    public void Attach(Action wake) => Volatile.Write(ref _wake, wake);

    /// <summary>Lets one request of so many bytes through, or refuses it and wakes later.</summary>
    public bool TryTake(ulong bytes)
    {
        if (!Volatile.Read(ref _isLimited)) return true;
        lock (_gate)
        {
            if (!MayPassNow()) return false;
            _bytes.Take(bytes);
            _operations.Take(1);
            return true;
        }
    }

    /// <summary>Whether the next request may begin; if not, there is a wake later.</summary>
    public bool MayPass()
    {
        if (!Volatile.Read(ref _isLimited)) return true;
        lock (_gate) return MayPassNow();
    }

    /// <summary>Counts what has passed.</summary>
    public void Charge(ulong bytes, ulong operations = 1)
    {
        if (!Volatile.Read(ref _isLimited)) return;
        lock (_gate)
        {
            _bytes.Take(bytes);
            _operations.Take(operations);
        }
    }

    /// <summary>Wakes nobody any more.</summary>
    public void Dispose()
    {
        Volatile.Write(ref _wake, null);
        _timer.Dispose();
    }

    private static void Check(TokenRate rate)
    {
        if (rate.PerSecond > TokenRate.MostPerSecond || rate.Burst > TokenRate.MostPerSecond)
            throw new ArgumentException($"a rate or burst is at most {TokenRate.MostPerSecond}, not {Math.Max(rate.PerSecond, rate.Burst)}", nameof(rate));
        if (rate.Burst != 0 && !rate.IsLimited) throw new ArgumentException($"a burst of {rate.Burst} needs a rate", nameof(rate));
    }

    private bool MayPassNow()
    {
        long now = _clock.NowNs;
        if (_bytes.MayPass(now, out long bytesNs) & _operations.MayPass(now, out long operationsNs)) return true;
        // A deadline that was armed before this debt grew expires early; whoever is refused then comes here again.
        long wakeNs = Math.Max(bytesNs, operationsNs);
        if (wakeNs < _armedNs)
        {
            _armedNs = wakeNs;
            _timer.Arm(wakeNs);
        }

        return false;
    }

    private void Expired()
    {
        lock (_gate) _armedNs = NotArmed;
        Volatile.Read(ref _wake)?.Invoke();
    }
}
