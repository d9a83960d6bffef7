using Vmm.Core.Hypervisor;
using Vmm.Core.Time;

namespace Vmm.Devices.Chipset;

/// <summary>
/// The local APIC's timer (Intel SDM vol. 3 §11.5.4): one-shot, periodic and TSC-deadline. Not thread-safe: the APIC's lock guards it.
/// The bus clock runs at 1 GHz, so that one undivided tick is a nanosecond.
/// </summary>
internal sealed class ApicTimer(IClock clock, IVcpuSignals signals, Action expired)
{
    /// <summary>Frequency of the bus clock, before the divider.</summary>
    public const ulong BusFrequencyHz = 1_000_000_000;

    /// <summary>A periodic timer never interrupts more often than this, whatever the guest asks for.</summary>
    public const long MinPeriodNs = 100_000;

    private readonly IClockTimer _timer = clock.CreateTimer(expired);
    private bool _armed;
    private long _deadlineNs;
    private uint _divideShift;

    public ApicTimerMode Mode { get; private set; }

    public uint InitialCount { get; private set; }

    /// <summary>IA32_TSC_DEADLINE; 0: not armed.</summary>
    public ulong TscDeadline { get; private set; }

    private long PeriodNs => (long)InitialCount << (int)_divideShift;

    /// <summary>TMCCT.</summary>
    public uint CurrentCount
    {
        get
        {
            if (!_armed || Mode == ApicTimerMode.TscDeadline) return 0;
            long remaining = _deadlineNs - clock.NowNs;
            if (remaining > 0) return (uint)Math.Min(remaining >> (int)_divideShift, uint.MaxValue);
            long period = PeriodNs;
            return Mode == ApicTimerMode.Periodic && period > 0 ? (uint)((period - 1 - -remaining % period) >> (int)_divideShift) : 0;
        }
    }

    /// <summary>Power-on: one-shot, not running, divided by two.</summary>
    public void Reset()
    {
        Disarm();
        Mode = ApicTimerMode.OneShot;
        InitialCount = 0;
        TscDeadline = 0;
        SetDivider(0);
    }

    /// <summary>Takes the mode bits of the LVT entry. Entering or leaving TSC-deadline mode stops the timer.</summary>
    public void SetMode(ApicTimerMode mode)
    {
        if (mode == Mode) return;
        if (mode == ApicTimerMode.TscDeadline || Mode == ApicTimerMode.TscDeadline)
        {
            Disarm();
            InitialCount = 0;
            TscDeadline = 0;
        }

        Mode = mode;
    }

    /// <summary>TDCR: bits 3, 1 and 0 are the exponent less one, 7 meaning division by one.</summary>
    public void SetDivider(uint tdcr)
    {
        uint count = CurrentCount;
        uint code = (tdcr & 3) | ((tdcr & 8) >> 1);
        _divideShift = (code + 1) & 7;
        if (_armed && Mode != ApicTimerMode.TscDeadline) Arm(clock.NowNs + ((long)count << (int)_divideShift));
    }

    /// <summary>TMICT: starts one-shot or periodic counting; 0 stops.</summary>
    public void Start(uint initialCount) => Start(initialCount, initialCount);

    /// <summary>Starts with a first round that is shorter (after a restore).</summary>
    public void Start(uint initialCount, uint currentCount)
    {
        if (Mode == ApicTimerMode.TscDeadline) return;
        InitialCount = initialCount;
        if (initialCount == 0 || currentCount == 0) Disarm();
        else Arm(clock.NowNs + ((long)currentCount << (int)_divideShift));
    }

    /// <summary>IA32_TSC_DEADLINE. True: it has passed already, interrupt now.</summary>
    public bool StartDeadline(ulong deadline)
    {
        if (Mode != ApicTimerMode.TscDeadline) return false;
        TscDeadline = deadline;
        if (deadline == 0)
        {
            Disarm();
            return false;
        }

        return CheckDeadline();
    }

    /// <summary>After the clock's call-back: true when an interrupt is due. A call-back of an earlier arming is not.</summary>
    public bool TakeExpiry()
    {
        long now = clock.NowNs;
        if (!_armed || now < _deadlineNs) return false;
        if (Mode == ApicTimerMode.TscDeadline) return CheckDeadline();
        if (Mode != ApicTimerMode.Periodic)
        {
            _armed = false;
            return true;
        }

        long period = Math.Max(PeriodNs, MinPeriodNs);
        Arm(_deadlineNs + ((now - _deadlineNs) / period + 1) * period);
        return true;
    }

    private bool CheckDeadline()
    {
        ulong tsc = signals.ReadTsc();
        if (TscDeadline <= tsc)
        {
            TscDeadline = 0;
            Disarm();
            return true;
        }

        ulong hz = Math.Max(signals.TscFrequencyHz, 1);
        UInt128 waitNs = ((UInt128)(TscDeadline - tsc) * 1_000_000_000 + (hz - 1)) / hz;
        long now = clock.NowNs;
        Arm(waitNs > (UInt128)(long.MaxValue - now) ? long.MaxValue : now + (long)waitNs);
        return false;
    }

    private void Arm(long deadlineNs)
    {
        _armed = true;
        _deadlineNs = deadlineNs;
        _timer.Arm(deadlineNs);
    }

    private void Disarm()
    {
        if (!_armed) return;
        _armed = false;
        _timer.Disarm();
    }
}
