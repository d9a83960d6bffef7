using System.Buffers.Binary;
using Vmm.Core.Bus;
using Vmm.Core.Interrupts;
using Vmm.Core.State;
using Vmm.Core.Time;

namespace Vmm.Devices.Chipset;

/// <summary>
/// The real-time clock of a PC with 128 bytes of battery-backed memory (Motorola MC146818A datasheet), on ports 0x70 and 0x71. It shows
/// the wall clock, plus what the guest has set it forward or back. Its interrupt is ISA IRQ 8.
/// </summary>
/// <remarks>
/// Thread-safe; drives the wire with the lock held. No tick runs while no interrupt is enabled: the flags of register C are worked out
/// when somebody looks.
/// </remarks>
public sealed class Mc146818Rtc : BytePortDevice, IStateful<Mc146818RtcState>
{
    /// <summary>First of its two ports.</summary>
    public const ushort Port = 0x70;

    /// <summary>Ports taken.</summary>
    public const ulong PortCount = 2;

    private const long NsPerSecond = 1_000_000_000;
    private const long OscillatorHz = 32_768;
    private const long UpdateWarningTicks = 244 * TimeSpan.TicksPerMicrosecond;
    private const long LongestSearchSeconds = 86_400;
    private const ulong KiB = 1 << 10;
    private const ulong MiB = 1 << 20;

    private readonly Lock _gate = new();
    private readonly IInterruptLine _irq;
    private readonly IClock _clock;
    private readonly IClockTimer _timer;
    private readonly byte[] _registers = new byte[RtcRegister.Count];
    private byte _index;
    private long _offsetTicks;
    private long _secondSeen, _periodSeen;

    /// <param name="irq">Its wire.</param>
    /// <param name="clock">The machine's time.</param>
    /// <param name="memory">What the memory size registers tell.</param>
    public Mc146818Rtc(IInterruptLine irq, IClock clock, CmosMemorySize memory)
    {
        _irq = irq;
        _clock = clock;
        _timer = clock.CreateTimer(OnTimer);
        _registers[RtcRegister.A] = (byte)RtcA.Divider32768Hz | 6;
        _registers[RtcRegister.B] = (byte)RtcB.Hours24;
        _registers[RtcRegister.D] = (byte)RtcD.VRT;
        StoreMemorySize(memory);
        _secondSeen = NowTicks / TimeSpan.TicksPerSecond;
    }

    /// <summary>Guest time less wall-clock time.</summary>
    public TimeSpan Offset
    {
        get
        {
            lock (_gate) return TimeSpan.FromTicks(_offsetTicks);
        }
        set
        {
            lock (_gate) SetOffset(value.Ticks);
        }
    }

    private RtcB B => (RtcB)_registers[RtcRegister.B];

    private bool Halted => (B & RtcB.SET) != 0;

    private long NowTicks => Math.Clamp(_clock.UtcNow.UtcTicks + _offsetTicks, 0, DateTime.MaxValue.Ticks);

    private long PeriodNs
    {
        get
        {
            int rate = _registers[RtcRegister.A] & (int)RtcA.RateMask;
            if (rate == 0) return 0;
            if (rate <= 2) rate += 7;
            return (1L << (rate - 1)) * NsPerSecond / OscillatorHz;
        }
    }

    /// <inheritdoc/>
    public Mc146818RtcState Save()
    {
        lock (_gate)
        {
            NoteEvents();
            return new Mc146818RtcState { Registers = [.. _registers], Index = _index, OffsetTicks = _offsetTicks };
        }
    }

    /// <inheritdoc/>
    public void Restore(Mc146818RtcState state)
    {
        if (state.Version != Mc146818RtcState.CurrentVersion || state.Registers.Length != RtcRegister.Count)
            throw new StateException($"RTC: state version {state.Version} with {state.Registers.Length} bytes cannot be restored");
        lock (_gate)
        {
            state.Registers.CopyTo(_registers, 0);
            _registers[RtcRegister.D] = (byte)RtcD.VRT;
            _index = (byte)(state.Index & (RtcRegister.Count - 1));
            SetOffset(state.OffsetTicks);
            _periodSeen = CurrentPeriod();
            _irq.RestoreLevel(WantsInterrupt);
            Arm();
        }
    }

    /// <inheritdoc/>
    protected override byte ReadPort(int region, int offset)
    {
        if (offset == 0) return byte.MaxValue;
        lock (_gate)
        {
            switch (_index)
            {
                case <= RtcRegister.Year or RtcRegister.Century when !IsAlarm(_index):
                    if (!Halted) RtcTime.Store(new DateTime(NowTicks), _registers, B);
                    return _registers[_index];
                case RtcRegister.A:
                    return (byte)(_registers[RtcRegister.A] | (UpdateIsNear ? (byte)RtcA.UIP : 0));
                case RtcRegister.C:
                    return TakeCauses();
                default:
                    return _registers[_index];
            }
        }
    }

    /// <inheritdoc/>
    protected override void WritePort(int region, int offset, byte value)
    {
        lock (_gate)
        {
            if (offset == 0) _index = (byte)(value & (RtcRegister.Count - 1));
            else WriteRegister(value);
        }
    }

    private static bool IsAlarm(int register) =>
        register is RtcRegister.SecondsAlarm or RtcRegister.MinutesAlarm or RtcRegister.HoursAlarm;

    private bool UpdateIsNear => !Halted && NowTicks % TimeSpan.TicksPerSecond >= TimeSpan.TicksPerSecond - UpdateWarningTicks;

    private void WriteRegister(byte value)
    {
        switch (_index)
        {
            case <= RtcRegister.Year or RtcRegister.Century when !IsAlarm(_index):
                if (!Halted) RtcTime.Store(new DateTime(NowTicks), _registers, B);
                _registers[_index] = value;
                if (!Halted) AdoptRegisters();
                break;
            case RtcRegister.A:
                NoteEvents();
                _registers[RtcRegister.A] = (byte)(value & ~(byte)RtcA.UIP);
                _periodSeen = CurrentPeriod();
                Arm();
                break;
            case RtcRegister.B:
                WriteB((RtcB)value);
                break;
            case RtcRegister.C or RtcRegister.D:
                break;
            default:
                NoteEvents();
                _registers[_index] = value;
                break;
        }
    }

    private void WriteB(RtcB value)
    {
        NoteEvents();
        bool wasHalted = Halted;
        if (!wasHalted) RtcTime.Store(new DateTime(NowTicks), _registers, B);
        if ((value & RtcB.SET) != 0) value &= ~RtcB.UIE;
        _registers[RtcRegister.B] = (byte)value;
        if (wasHalted && !Halted) AdoptRegisters();
        UpdateLine();
        Arm();
    }

    /// <summary>The registers become the time, from this moment on.</summary>
    private void AdoptRegisters()
    {
        long fraction = NowTicks % TimeSpan.TicksPerSecond;
        SetOffset(RtcTime.Load(_registers, B).Ticks + fraction - _clock.UtcNow.UtcTicks);
    }

    private void SetOffset(long ticks)
    {
        _offsetTicks = Math.Clamp(ticks, -DateTime.MaxValue.Ticks, DateTime.MaxValue.Ticks);
        _secondSeen = NowTicks / TimeSpan.TicksPerSecond;
    }

    private byte TakeCauses()
    {
        NoteEvents();
        byte value = (byte)(_registers[RtcRegister.C] | (WantsInterrupt ? (byte)RtcC.IRQF : 0));
        _registers[RtcRegister.C] = 0;
        UpdateLine();
        return value;
    }

    private long CurrentPeriod() => PeriodNs is > 0 and long period ? _clock.NowNs / period : 0;

    private void NoteEvents()
    {
        RtcC causes = 0;
        long period = CurrentPeriod();
        if (period != _periodSeen) causes |= RtcC.PF;
        _periodSeen = period;

        long second = NowTicks / TimeSpan.TicksPerSecond;
        if (!Halted && second > _secondSeen)
        {
            causes |= RtcC.UF;
            if (AlarmBetween(Math.Max(_secondSeen, second - LongestSearchSeconds), second)) causes |= RtcC.AF;
        }

        _secondSeen = second;
        _registers[RtcRegister.C] |= (byte)causes;
    }

    private bool AlarmBetween(long after, long until)
    {
        for (long second = after + 1; second <= until; second++)
        {
            if (RtcTime.AlarmMatches(new DateTime(second * TimeSpan.TicksPerSecond), _registers, B)) return true;
        }

        return false;
    }

    private void OnTimer()
    {
        lock (_gate)
        {
            NoteEvents();
            UpdateLine();
            Arm();
        }
    }

    private void Arm()
    {
        long deadline = long.MaxValue;
        long now = _clock.NowNs;
        if ((B & RtcB.PIE) != 0 && PeriodNs is > 0 and long period) deadline = (now / period + 1) * period;
        if ((B & (RtcB.UIE | RtcB.AIE)) != 0 && !Halted)
        {
            long left = TimeSpan.TicksPerSecond - NowTicks % TimeSpan.TicksPerSecond;
            deadline = Math.Min(deadline, now + left * TimeSpan.NanosecondsPerTick);
        }

        if (deadline == long.MaxValue) _timer.Disarm();
        else _timer.Arm(deadline);
    }

    private bool WantsInterrupt => (_registers[RtcRegister.C] & (byte)RtcC.Causes & _registers[RtcRegister.B]) != 0;

    private void UpdateLine() => _irq.SetLevel(WantsInterrupt);

    private void StoreMemorySize(CmosMemorySize memory)
    {
        const ulong BaseKiB = 640;
        ulong extendedKiB = Math.Min(memory.Below4G > MiB ? (memory.Below4G - MiB) / KiB : 0, ushort.MaxValue);
        ulong above16M = Math.Min(memory.Below4G > 16 * MiB ? (memory.Below4G - 16 * MiB) / (64 * KiB) : 0, ushort.MaxValue);
        StoreWord(RtcRegister.BaseMemory, BaseKiB);
        StoreWord(RtcRegister.ExtendedMemory, extendedKiB);
        StoreWord(RtcRegister.ExtendedMemoryCopy, extendedKiB);
        StoreWord(RtcRegister.MemoryAbove16M, above16M);
        ulong above4G = Math.Min(memory.Above4G / (64 * KiB), 0xffffff);
        StoreWord(RtcRegister.MemoryAbove4G, above4G & ushort.MaxValue);
        _registers[RtcRegister.MemoryAbove4G + 2] = (byte)(above4G >> 16);
    }

    private void StoreWord(int register, ulong value) =>
        BinaryPrimitives.WriteUInt16LittleEndian(_registers.AsSpan(register), (ushort)value);
}
