using Vmm.Core.Bus;
using Vmm.Core.Interrupts;
using Vmm.Core.State;
using Vmm.Core.Time;

namespace Vmm.Devices.Chipset;

/// <summary>
/// The 8254 programmable interval timer of a PC with system control port B. Attach <see cref="TimerRegion"/> at port 0x40 (4 ports) and
/// <see cref="PortBRegion"/> at 0x61 (1 port). Counter 0 drives the interrupt wire (ISA IRQ 0), counter 2 the speaker.
/// </summary>
/// <remarks>Thread-safe; drives the wire with the lock held.</remarks>
public sealed class I8254Pit : BytePortDevice, IStateful<I8254PitState>
{
    public const int TimerRegion = 0;
    public const int PortBRegion = 1;

    /// <summary>Input clocks each second.</summary>
    public const long FrequencyHz = 1_193_182;

    /// <summary>Counter 0 never interrupts more often than this, whatever the guest asks for.</summary>
    public const long MinPeriodNs = 100_000;

    private const int ControlPort = 3;
    private const int ReadBack = 3;
    private const int SpeakerCounter = 2;
    private const long NsPerSecond = 1_000_000_000;
    private const long RefreshNs = 15_085;

    private readonly Lock _gate = new();
    private readonly IInterruptLine _irq;
    private readonly IClock _clock;
    private readonly IClockTimer _timer;
    private readonly PitCounter[] _counters = [new(), new(), new()];
    private PortB _portB;
    private long _deadlineNs = long.MaxValue;

    /// <param name="irq">OUT of counter 0.</param>
    /// <param name="clock">The machine's time.</param>
    public I8254Pit(IInterruptLine irq, IClock clock)
    {
        _irq = irq;
        _clock = clock;
        _timer = clock.CreateTimer(OnTimer);
        _counters[SpeakerCounter].SetGate(false, 0);
    }

    private long Now => (long)((Int128)_clock.NowNs * FrequencyHz / NsPerSecond);

    /// <inheritdoc/>
    public I8254PitState Save()
    {
        lock (_gate)
        {
            long now = Now;
            return new I8254PitState { Counters = [.. _counters.Select(c => c.Save(now))], PortB = (byte)_portB, Irq = _irq.IsAsserted };
        }
    }

    /// <inheritdoc/>
    public void Restore(I8254PitState state)
    {
        if (state.Version != I8254PitState.CurrentVersion || state.Counters.Length != _counters.Length)
            throw new StateException($"8254: state version {state.Version} with {state.Counters.Length} counters cannot be restored");
        lock (_gate)
        {
            long now = Now;
            for (int i = 0; i < _counters.Length; i++) _counters[i].Restore(state.Counters[i], now);
            _portB = (PortB)state.PortB & PortB.Writable;
            _irq.RestoreLevel(state.Irq);
            Arm(0);
        }
    }

    /// <inheritdoc/>
    protected override byte ReadPort(int region, int offset)
    {
        lock (_gate)
        {
            long now = Now;
            if (region == TimerRegion) return offset == ControlPort ? byte.MaxValue : _counters[offset].Read(now);
            PortB refresh = (_clock.NowNs / RefreshNs & 1) != 0 ? PortB.REFRESH : 0;
            return (byte)(_portB | refresh | (_counters[SpeakerCounter].Output(now) ? PortB.TIM2_OUT : 0));
        }
    }

    /// <inheritdoc/>
    protected override void WritePort(int region, int offset, byte value)
    {
        lock (_gate)
        {
            long now = Now;
            if (region == PortBRegion)
            {
                _portB = (PortB)value & PortB.Writable;
                _counters[SpeakerCounter].SetGate((_portB & PortB.TIM2_GATE) != 0, now);
            }
            else if (offset == ControlPort)
            {
                WriteControl(new PitControlWord(value), now);
            }
            else
            {
                _counters[offset].Write(value, now);
                if (offset == 0) Arm(0);
            }
        }
    }

    private void WriteControl(PitControlWord word, long now)
    {
        if (word.Select == ReadBack)
        {
            for (int i = 0; i < _counters.Length; i++)
            {
                if (!word.Names(i)) continue;
                if (word.LatchesCount) _counters[i].LatchCount(now);
                if (word.LatchesStatus) _counters[i].LatchStatus(now);
            }
        }
        else if (word.Access == PitAccess.Latch)
        {
            _counters[word.Select].LatchCount(now);
        }
        else
        {
            _counters[word.Select].WriteControl(word);
            if (word.Select != 0) return;
            _irq.SetLevel(false);
            Arm(0);
        }
    }

    private void OnTimer()
    {
        lock (_gate)
        {
            if (_clock.NowNs < _deadlineNs) return;
            // OUT falls before it rises; what lies between is too short to be seen.
            _irq.SetLevel(false);
            _irq.SetLevel(true);
            Arm(MinPeriodNs);
        }
    }

    private void Arm(long minDelayNs)
    {
        if (_counters[0].NextRise(Now) is not { } rise)
        {
            _deadlineNs = long.MaxValue;
            _timer.Disarm();
            return;
        }

        long deadline = (long)(((Int128)rise * NsPerSecond + (FrequencyHz - 1)) / FrequencyHz);
        _deadlineNs = Math.Max(deadline, _clock.NowNs + minDelayNs);
        _timer.Arm(_deadlineNs);
    }
}
