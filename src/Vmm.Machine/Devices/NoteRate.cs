namespace Vmm.Machine.Devices;

/// <summary>Some at once, then one a second: for what a guest or another process can cause without end. Thread-safe.</summary>
/// <param name="burst">So many may come at once.</param>
/// <param name="time">What the time is; null for the host's.</param>
internal sealed class NoteRate(int burst, TimeProvider? time = null)
{
    private readonly Lock _gate = new();
    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private long? _lastFill;
    private readonly int _burst = burst;
    private int _tokens = burst;
    private long _missed;

    /// <summary>Whether one may come now.</summary>
    /// <param name="missed">How many before it might not.</param>
    public bool TryTake(out long missed)
    {
        lock (_gate)
        {
            long now = _time.GetTimestamp();
            long seconds = (now - (_lastFill ??= now)) / _time.TimestampFrequency;
            _lastFill += seconds * _time.TimestampFrequency;
            _tokens = (int)Math.Min(_burst, _tokens + seconds);
            missed = _missed;
            if (_tokens == 0)
            {
                _missed++;
                return false;
            }

            _tokens--;
            _missed = 0;
            return true;
        }
    }
}
