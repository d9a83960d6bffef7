using System.Diagnostics;
using Vmm.Core.Time;
using Vmm.Host.Native;

namespace Vmm.Host;

/// <summary>
/// The machine's time on this host: CLOCK_MONOTONIC less the time spent paused. All timers stand in one heap behind one timerfd,
/// which the event loop watches. Arming from any thread; nothing is allocated once the heap has its size.
/// </summary>
public sealed unsafe class HostClock : IClock, IDisposable
{
    private const long NsPerSecond = 1_000_000_000;
    private const long NotProgrammed = long.MaxValue;

    private readonly Lock _gate = new();
    private readonly EpollLoop _loop;
    private readonly Action<string> _report;
    private readonly LinuxFile _timerFd;
    private readonly EpollRegistration _registration;
    private Timer[] _heap = new Timer[16];
    private int _count;
    private long _programmedNs = NotProgrammed;
    private bool _expiring;
    private bool _disposed;
    private long _pausedUtcTicks;

    // Bit 0: paused. The rest, running: the host time of machine time 0; paused: the machine time. One word, so that a reader needs no lock.
    private long _state;

    /// <param name="loop">The loop on whose thread timers expire.</param>
    /// <param name="report">Takes one line about a timer that threw, once for each timer.</param>
    /// <param name="startPaused">True: time stands at <paramref name="startNs"/> until <see cref="Resume"/>.</param>
    /// <param name="startNs">Where machine time begins: not at 0 where a machine goes on that was saved.</param>
    /// <param name="startUtc">What <see cref="UtcNow"/> is until <see cref="Resume"/>; null for the present.</param>
    /// <exception cref="LinuxException">No descriptor is free.</exception>
    public HostClock(EpollLoop loop, Action<string> report, bool startPaused = false, long startNs = 0, DateTimeOffset? startUtc = null)
    {
        _loop = loop;
        _report = report;
        _pausedUtcTicks = (startUtc ?? DateTimeOffset.UtcNow).UtcTicks;
        _state = startPaused ? Paused(startNs) : Running(HostNs() - startNs);
        _timerFd = LinuxFile.FromResult(Libc.TimerfdCreate(Libc.CLOCK_MONOTONIC, Libc.TFD_NONBLOCK | Libc.TFD_CLOEXEC), "making a timer");
        _registration = loop.Add(_timerFd.Fd, EpollEvents.Readable, _ => Expire());
    }

    /// <inheritdoc/>
    public long NowNs
    {
        get
        {
            while (true)
            {
                long state = Volatile.Read(ref _state);
                if (IsPausedState(state)) return state >> 1;
                long now = HostNs() - (state >> 1);
                if (Volatile.Read(ref _state) == state) return now;
            }
        }
    }

    /// <summary>Wall-clock time; that of the pause while time stands.</summary>
    public DateTimeOffset UtcNow
    {
        get
        {
            long ticks = Volatile.Read(ref _pausedUtcTicks);
            return IsPaused ? new DateTimeOffset(ticks, TimeSpan.Zero) : DateTimeOffset.UtcNow;
        }
    }

    /// <summary>True between <see cref="Pause"/> and <see cref="Resume"/>.</summary>
    public bool IsPaused => IsPausedState(Volatile.Read(ref _state));

    /// <summary>Stops time. Timers keep their deadlines and do not expire; a call-back under way is not waited for.</summary>
    public void Pause()
    {
        lock (_gate)
        {
            if (!IsPaused)
            {
                Volatile.Write(ref _pausedUtcTicks, DateTimeOffset.UtcNow.UtcTicks);
                Volatile.Write(ref _state, Paused(NowNs));
            }

            Program();
        }
    }

    /// <summary>Lets time go on from where it stood.</summary>
    public void Resume()
    {
        lock (_gate)
        {
            if (IsPaused) Volatile.Write(ref _state, Running(HostNs() - NowNs));
            Program();
        }
    }

    /// <inheritdoc/>
    public IClockTimer CreateTimer(Action expired) => new Timer(this, expired);

    /// <summary>No timer expires after this.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed) return;
            _disposed = true;
            while (_count != 0) Take(_count - 1);
        }

        _loop.Invoke(() =>
        {
            _registration.Dispose();
            _timerFd.Dispose();
        });
    }

    private static long HostNs() => Stopwatch.GetTimestamp(); // nanoseconds of CLOCK_MONOTONIC on Linux

    private static long Running(long originNs) => originNs << 1;

    private static long Paused(long nowNs) => (nowNs << 1) | 1;

    private static bool IsPausedState(long state) => (state & 1) != 0;

    private void Arm(Timer timer, long deadlineNs)
    {
        lock (_gate)
        {
            if (_disposed || timer.IsDisposed) return;
            timer.DeadlineNs = deadlineNs;
            if (timer.Slot < 0)
            {
                if (_count == _heap.Length) Array.Resize(ref _heap, _count * 2);
                timer.Slot = _count;
                _heap[_count++] = timer;
            }

            Settle(timer.Slot);
            Program();
        }
    }

    private void Disarm(Timer timer)
    {
        lock (_gate)
        {
            // The timerfd may fire for nothing then, once; that is cheaper than a system call here.
            if (timer.Slot >= 0) Take(timer.Slot);
        }
    }

    private void Expire()
    {
        Span<byte> count = stackalloc byte[sizeof(ulong)];
        _ = _timerFd.Read(count);
        long now;
        int left;
        lock (_gate)
        {
            _programmedNs = NotProgrammed;
            _expiring = true;
            now = NowNs;
            left = _count; // a timer that arms itself in the past waits for the next turn of the loop
        }

        while (left-- > 0)
        {
            Timer timer;
            lock (_gate)
            {
                if (_count == 0 || IsPaused || _heap[0].DeadlineNs > now) break;
                timer = _heap[0];
                Take(0);
            }

            timer.Expire(_report);
        }

        lock (_gate)
        {
            _expiring = false;
            Program();
        }
    }

    /// <summary>Sets the timerfd when the first deadline lies before what it is set to. Under the lock.</summary>
    private void Program()
    {
        if (_expiring || _disposed || _count == 0 || IsPaused) return;
        // In host time, so that a change of the origin by a pause is seen as a change of the deadline.
        long dueNs = Math.Max(1, SaturatingAdd(_heap[0].DeadlineNs, _state >> 1));
        if (dueNs >= _programmedNs) return;
        _programmedNs = dueNs;
        Libc.ITimerSpec value = new() { ValueSeconds = dueNs / NsPerSecond, ValueNs = dueNs % NsPerSecond };
        // SAFETY: a local that outlives the call.
        if (Libc.TimerfdSettime(_timerFd.Fd, Libc.TFD_TIMER_ABSTIME, &value, null) < 0) throw LinuxException.FromLastError("setting a timer");
    }

    private static long SaturatingAdd(long a, long b)
    {
        long sum = unchecked(a + b);
        if (((a ^ sum) & (b ^ sum)) >= 0) return sum;
        return a < 0 ? long.MinValue : long.MaxValue;
    }

    private void Take(int slot)
    {
        _heap[slot].Slot = -1;
        Timer last = _heap[--_count];
        _heap[_count] = null!;
        if (slot == _count) return;
        _heap[slot] = last;
        last.Slot = slot;
        Settle(slot);
    }

    /// <summary>Moves the timer at a slot up or down to where it belongs.</summary>
    private void Settle(int slot)
    {
        Timer timer = _heap[slot];
        while (slot > 0 && _heap[(slot - 1) / 2].DeadlineNs > timer.DeadlineNs)
        {
            Put(slot, _heap[(slot - 1) / 2]);
            slot = (slot - 1) / 2;
        }

        while (true)
        {
            int child = 2 * slot + 1;
            if (child >= _count) break;
            if (child + 1 < _count && _heap[child + 1].DeadlineNs < _heap[child].DeadlineNs) child++;
            if (_heap[child].DeadlineNs >= timer.DeadlineNs) break;
            Put(slot, _heap[child]);
            slot = child;
        }

        Put(slot, timer);
    }

    private void Put(int slot, Timer timer)
    {
        _heap[slot] = timer;
        timer.Slot = slot;
    }

    private sealed class Timer(HostClock clock, Action expired) : IClockTimer
    {
        private bool _reported;

        public long DeadlineNs { get; set; }

        /// <summary>Its place in the heap; -1 when it is not armed.</summary>
        public int Slot { get; set; } = -1;

        public bool IsDisposed { get; private set; }

        public void Arm(long deadlineNs) => clock.Arm(this, deadlineNs);

        public void Disarm() => clock.Disarm(this);

        public void Dispose()
        {
            IsDisposed = true;
            clock.Disarm(this);
        }

        public void Expire(Action<string> report)
        {
            try
            {
                expired();
            }
            catch (Exception e)
            {
                if (_reported) return;
                _reported = true;
                report($"a timer failed: {e.Message}");
            }
        }
    }
}
