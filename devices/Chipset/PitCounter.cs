namespace Vmm.Devices.Chipset;

/// <summary>
/// One counter of an 8254 (Intel datasheet, "Mode Definitions"). Nothing ticks: count and output follow from the input clocks that have
/// passed since loading. Times are input clocks; not thread-safe.
/// </summary>
internal sealed class PitCounter
{
    private const int MaxCount = 0x10000;
    private const int MaxBcdCount = 10000;

    private PitControlWord _control = new((byte)PitAccess.LowThenHigh << 4);
    private int _count;
    private long _since, _elapsedBefore;
    private bool _running, _triggered;
    private byte _writeLow;
    private bool _writesHighNext, _readsHighNext;
    private ushort? _latchedCount;
    private byte? _latchedStatus;

    /// <summary>The GATE input.</summary>
    public bool Gate { get; private set; } = true;

    private bool IsRetriggered => _control.Mode is 1 or 5;

    private bool IsPeriodic => _control.Mode is 2 or 3;

    public void WriteControl(PitControlWord word)
    {
        _control = word;
        _count = 0;
        _running = _triggered = _writesHighNext = _readsHighNext = false;
        _latchedCount = null;
        _latchedStatus = null;
    }

    public void LatchCount(long now) => _latchedCount ??= Encode(Current(now));

    public void LatchStatus(long now) => _latchedStatus ??= Status(now);

    public void Write(byte value, long now)
    {
        switch (_control.Access)
        {
            case PitAccess.Low:
                Load(value, now);
                break;
            case PitAccess.High:
                Load(value << 8, now);
                break;
            default:
                if (_writesHighNext) Load(_writeLow | value << 8, now);
                // The first byte of a new count stops mode 0.
                else if (_control.Mode == 0) Stop(now);
                _writeLow = value;
                _writesHighNext = !_writesHighNext;
                break;
        }
    }

    public byte Read(long now)
    {
        if (_latchedStatus is { } status)
        {
            _latchedStatus = null;
            return status;
        }

        ushort value = _latchedCount ?? Encode(Current(now));
        bool high = _control.Access == PitAccess.High || (_control.Access == PitAccess.LowThenHigh && _readsHighNext);
        if (_control.Access == PitAccess.LowThenHigh) _readsHighNext = !_readsHighNext;
        if (!_readsHighNext) _latchedCount = null;
        return (byte)(high ? value >> 8 : value);
    }

    public void SetGate(bool gate, long now)
    {
        if (gate == Gate) return;
        Gate = gate;
        if (_count == 0) return;
        if (gate && (IsRetriggered || IsPeriodic)) Start(now);
        else if (gate) Resume(now);
        else if (!IsRetriggered) Stop(now);
    }

    /// <summary>The OUT pin.</summary>
    public bool Output(long now)
    {
        if (_count == 0) return _control.Mode != 0;
        long elapsed = Elapsed(now);
        return _control.Mode switch
        {
            0 => elapsed >= _count,
            1 => !_triggered || elapsed >= _count,
            2 => !_running || elapsed % _count != _count - 1,
            3 => !_running || elapsed % _count < (_count + 1) / 2,
            _ => !_triggered || elapsed != _count,
        };
    }

    /// <summary>The next time after <paramref name="now"/> at which OUT rises, or null.</summary>
    public long? NextRise(long now)
    {
        if (!_running || _count == 0 || (!IsPeriodic && !_triggered)) return null;
        long elapsed = Elapsed(now);
        if (IsPeriodic) return now + (_count - elapsed % _count);
        long rise = _control.Mode is 0 or 1 ? _count : _count + 1;
        return elapsed < rise ? now + (rise - elapsed) : null;
    }

    public PitCounterState Save(long now) => new()
    {
        Control = _control.Value,
        Count = _count,
        Elapsed = Elapsed(now),
        IsRunning = _running,
        Gate = Gate,
        Triggered = _triggered,
        WriteLow = _writeLow,
        WritesHighNext = _writesHighNext,
        ReadsHighNext = _readsHighNext,
        LatchedCount = _latchedCount,
        LatchedStatus = _latchedStatus,
    };

    public void Restore(PitCounterState state, long now)
    {
        _control = new PitControlWord(state.Control);
        _count = Math.Clamp(state.Count, 0, MaxCount);
        _elapsedBefore = Math.Max(state.Elapsed, 0);
        _since = now;
        _running = state.IsRunning;
        Gate = state.Gate;
        _triggered = state.Triggered;
        _writeLow = state.WriteLow;
        _writesHighNext = state.WritesHighNext;
        _readsHighNext = state.ReadsHighNext;
        _latchedCount = state.LatchedCount;
        _latchedStatus = state.LatchedStatus;
    }

    private void Load(int raw, long now)
    {
        int limit = _control.IsBcd ? MaxBcdCount : MaxCount;
        int value = _control.IsBcd ? FromBcd(raw) : raw;
        int count = value == 0 ? limit : value;
        // In the periodic modes a new count waits for the end of the period; here the period is restarted in step.
        long phase = IsPeriodic && _running && _count != 0 ? Math.Min(Elapsed(now) % _count, count - 1) : 0;
        _count = count;
        if (IsRetriggered) return;
        Start(now - phase);
        if (!Gate) Stop(now);
    }

    private void Start(long now)
    {
        _triggered = true;
        _elapsedBefore = 0;
        Resume(now);
    }

    private void Resume(long now)
    {
        _since = now;
        _running = true;
    }

    private void Stop(long now)
    {
        _elapsedBefore = Elapsed(now);
        _running = false;
    }

    private long Elapsed(long now) => _elapsedBefore + (_running ? now - _since : 0);

    private int Current(long now)
    {
        if (_count == 0) return 0;
        long elapsed = Elapsed(now);
        int modulus = _control.IsBcd ? MaxBcdCount : MaxCount;
        return _control.Mode switch
        {
            2 => (int)(_count - elapsed % _count),
            3 => (int)(_count - elapsed * 2 % _count),
            1 or 5 when !_triggered => _count % modulus,
            _ => (int)(((_count - elapsed) % modulus + modulus) % modulus),
        };
    }

    private byte Status(long now) => (byte)((Output(now) ? (byte)PitStatus.Output : 0) | (_count == 0 ? (byte)PitStatus.NullCount : 0)
        | (byte)_control.Access << 4 | _control.Mode << 1 | (_control.IsBcd ? 1 : 0));

    private ushort Encode(int value)
    {
        if (!_control.IsBcd) return (ushort)value;
        value %= MaxBcdCount;
        return (ushort)(value / 1000 << 12 | value / 100 % 10 << 8 | value / 10 % 10 << 4 | value % 10);
    }

    private static int FromBcd(int raw) => (raw >> 12) * 1000 + (raw >> 8 & 15) * 100 + (raw >> 4 & 15) * 10 + (raw & 15);
}
