using Vmm.Core.Backends;
using Vmm.Core.Bus;
using Vmm.Core.Interrupts;
using Vmm.Core.State;
using Vmm.Core.Time;

namespace Vmm.Devices.Legacy;

/// <summary>
/// A 16550A serial port (National Semiconductor PC16550D) on eight ports. Bytes leave at once whatever the baud rate; input obeys the
/// 16-byte FIFO, its trigger level and its timeout.
/// </summary>
/// <remarks>
/// Thread-safe. The interrupt wire is driven with the lock held, the backend is called without it. As on a PC, OUT2 gates the interrupt.
/// </remarks>
public sealed class Uart16550 : BytePortDevice, ICharReceiver, IStateful<Uart16550State>
{
    /// <summary>Ports taken.</summary>
    public const ulong PortCount = 8;

    private const int FifoSize = 16;
    private const int TimeoutCharacters = 4;
    private const long NsPerDivisorBit = 1_000_000_000L * 16 / 1_843_200;
    private const int BitsPerCharacter = 10;
    private const long MaxTimeoutNs = 5_000_000;
    private const ushort Divisor9600 = 12;

    private readonly Lock _gate = new();
    private readonly IInterruptLine _irq;
    private readonly ICharBackend _backend;
    private readonly IClock _clock;
    private readonly IClockTimer _timeout;
    private readonly byte[] _fifo = new byte[FifoSize];
    private readonly bool[] _isBreak = new bool[FifoSize];
    private int _first, _count;
    private Ier _ier;
    private Fcr _fcr;
    private Lcr _lcr;
    private Mcr _mcr;
    private Lsr _errors;
    private Msr _msr = Msr.Connected;
    private byte _scr;
    private ushort _divisor = Divisor9600;
    private bool _transmitterEmptyPending, _timedOut, _turnedAway;

    /// <param name="irq">Its wire (ISA IRQ 4 for the first port).</param>
    /// <param name="backend">The other end of the line; the port attaches itself.</param>
    /// <param name="clock">For the receive timeout.</param>
    public Uart16550(IInterruptLine irq, ICharBackend backend, IClock clock)
    {
        _irq = irq;
        _backend = backend;
        _clock = clock;
        _timeout = clock.CreateTimer(OnTimeout);
        backend.Attach(this);
    }

    private bool FifoEnabled => (_fcr & Fcr.Enable) != 0;

    private int Capacity => FifoEnabled ? FifoSize : 1;

    private int TriggerLevel => !FifoEnabled ? 1 : ((int)(_fcr & Fcr.TriggerMask) >> 6) switch { 0 => 1, 1 => 4, 2 => 8, _ => 14 };

    private bool Loops => (_mcr & Mcr.LOOP) != 0;

    // A break shows in LSR when the character that it left is the next to be read (PC16550D, "Line Status Register").
    private bool BreakIsNext => _count > 0 && _isBreak[_first];

    /// <inheritdoc/>
    public bool TakesBreaks => true;

    /// <inheritdoc/>
    public bool ReceiveBreak()
    {
        lock (_gate)
        {
            if (Loops || _count == Capacity)
            {
                _turnedAway = true;
                return false;
            }

            Push(0, isBreak: true);
            InputChanged();
            return true;
        }
    }

    /// <inheritdoc/>
    public int Receive(ReadOnlySpan<byte> data)
    {
        lock (_gate)
        {
            int taken = Loops ? 0 : Math.Min(data.Length, Capacity - _count);
            for (int i = 0; i < taken; i++) Push(data[i]);
            _turnedAway |= taken < data.Length;
            if (taken > 0) InputChanged();
            return taken;
        }
    }

    /// <inheritdoc/>
    public Uart16550State Save()
    {
        lock (_gate)
        {
            byte[] received = new byte[_count];
            ushort breaks = 0;
            for (int i = 0; i < _count; i++)
            {
                int at = (_first + i) % FifoSize;
                received[i] = _fifo[at];
                breaks |= (ushort)(_isBreak[at] ? 1 << i : 0);
            }

            return new Uart16550State
            {
                Ier = (byte)_ier,
                Fcr = (byte)_fcr,
                Lcr = (byte)_lcr,
                Mcr = (byte)_mcr,
                LineErrors = (byte)_errors,
                Msr = (byte)_msr,
                Scr = _scr,
                Divisor = _divisor,
                Received = received,
                Breaks = breaks,
                TransmitterEmptyPending = _transmitterEmptyPending,
                TimedOut = _timedOut,
            };
        }
    }

    /// <inheritdoc/>
    public void Restore(Uart16550State state)
    {
        if (state.Version != Uart16550State.CurrentVersion || state.Received.Length > FifoSize)
            throw new StateException($"16550A: state version {state.Version} with {state.Received.Length} bytes cannot be restored");
        lock (_gate)
        {
            _ier = (Ier)state.Ier & Ier.Writable;
            _fcr = (Fcr)state.Fcr & Fcr.Kept;
            _lcr = (Lcr)state.Lcr;
            _mcr = (Mcr)state.Mcr & Mcr.Writable;
            _errors = (Lsr)state.LineErrors & Lsr.Errors;
            _msr = (Msr)state.Msr;
            _scr = state.Scr;
            _divisor = state.Divisor;
            _first = 0;
            _count = state.Received.Length;
            state.Received.CopyTo(_fifo, 0);
            for (int i = 0; i < FifoSize; i++) _isBreak[i] = (state.Breaks & 1 << i) != 0;
            _transmitterEmptyPending = state.TransmitterEmptyPending;
            _timedOut = state.TimedOut;
            ArmTimeout();
            _irq.RestoreLevel(WantsInterrupt);
        }
    }

    /// <inheritdoc/>
    protected override byte ReadPort(int region, int offset)
    {
        bool wantsInput;
        byte value;
        lock (_gate)
        {
            value = ReadRegister(offset);
            wantsInput = TakeWantsInput();
            UpdateInterrupt();
        }

        if (wantsInput) _backend.ReceiverReady();
        return value;
    }

    /// <inheritdoc/>
    protected override void WritePort(int region, int offset, byte value)
    {
        bool transmits = false;
        bool wantsInput;
        lock (_gate)
        {
            if (offset == UartRegister.RBR_THR && (_lcr & Lcr.DLAB) == 0) transmits = Transmit(value);
            else WriteRegister(offset, value);
            wantsInput = TakeWantsInput();
            UpdateInterrupt();
        }

        if (transmits) _backend.Write(new ReadOnlySpan<byte>(in value));
        if (wantsInput) _backend.ReceiverReady();
    }

    private byte ReadRegister(int offset)
    {
        bool latch = (_lcr & Lcr.DLAB) != 0;
        switch (offset)
        {
            case UartRegister.RBR_THR:
                return latch ? (byte)_divisor : Pop();
            case UartRegister.IER:
                return latch ? (byte)(_divisor >> 8) : (byte)_ier;
            case UartRegister.IIR_FCR:
                Iir cause = Cause;
                if (cause == Iir.TransmitterEmpty) _transmitterEmptyPending = false;
                return (byte)(cause | (FifoEnabled ? Iir.FifosEnabled : 0));
            case UartRegister.LCR:
                return (byte)_lcr;
            case UartRegister.MCR:
                return (byte)_mcr;
            case UartRegister.LSR:
                Lsr status = Lsr.THRE | Lsr.TEMT | _errors | (_count > 0 ? Lsr.DR : 0) | (BreakIsNext ? Lsr.BI : 0)
                    | (FifoEnabled && _isBreak.AsSpan().Contains(true) ? Lsr.FIFOE : 0);
                _errors = 0;
                if (_count > 0) _isBreak[_first] = false;
                return (byte)status;
            case UartRegister.MSR:
                Msr modem = _msr;
                _msr &= ~Msr.Deltas;
                return (byte)modem;
            default:
                return _scr;
        }
    }

    private void WriteRegister(int offset, byte value)
    {
        bool latch = (_lcr & Lcr.DLAB) != 0;
        switch (offset)
        {
            case UartRegister.RBR_THR:
                _divisor = (ushort)((_divisor & 0xff00) | value);
                break;
            case UartRegister.IER when latch:
                _divisor = (ushort)((_divisor & 0xff) | value << 8);
                break;
            case UartRegister.IER:
                Ier enabled = (Ier)value & Ier.Writable & ~_ier;
                _ier = (Ier)value & Ier.Writable;
                // The holding register is always empty: enabling its interrupt raises it, every time.
                if ((enabled & Ier.ETBEI) != 0) _transmitterEmptyPending = true;
                break;
            case UartRegister.IIR_FCR:
                WriteFifoControl((Fcr)value);
                break;
            case UartRegister.LCR:
                _lcr = (Lcr)value;
                break;
            case UartRegister.MCR:
                _mcr = (Mcr)value & Mcr.Writable;
                SetModemStatus();
                break;
            case UartRegister.SCR:
                _scr = value;
                break;
        }
    }

    private void WriteFifoControl(Fcr value)
    {
        bool toggled = ((value ^ _fcr) & Fcr.Enable) != 0;
        if (toggled || (value & Fcr.ResetReceiver) != 0) ClearInput();
        if (toggled || (value & Fcr.ResetTransmitter) != 0) _transmitterEmptyPending = true;
        _fcr = (value & Fcr.Enable) != 0 ? value & Fcr.Kept : 0;
    }

    private bool Transmit(byte value)
    {
        _transmitterEmptyPending = true;
        if (!Loops) return true;
        if (_count < Capacity) Push(value);
        else _errors |= Lsr.OE;
        InputChanged();
        return false;
    }

    private void SetModemStatus()
    {
        Msr lines = Msr.Connected;
        if (Loops)
        {
            lines = ((_mcr & Mcr.RTS) != 0 ? Msr.CTS : 0) | ((_mcr & Mcr.DTR) != 0 ? Msr.DSR : 0)
                | ((_mcr & Mcr.OUT1) != 0 ? Msr.RI : 0) | ((_mcr & Mcr.OUT2) != 0 ? Msr.DCD : 0);
        }

        Msr changed = (lines ^ _msr) & ~Msr.Deltas;
        Msr deltas = ((changed & Msr.CTS) != 0 ? Msr.DCTS : 0) | ((changed & Msr.DSR) != 0 ? Msr.DDSR : 0)
            | ((changed & ~lines & Msr.RI) != 0 ? Msr.TERI : 0) | ((changed & Msr.DCD) != 0 ? Msr.DDCD : 0);
        _msr = lines | (_msr & Msr.Deltas) | deltas;
    }

    private void Push(byte value, bool isBreak = false)
    {
        int at = (_first + _count) % FifoSize;
        _fifo[at] = value;
        _isBreak[at] = isBreak;
        _count++;
    }

    private byte Pop()
    {
        if (_count == 0) return 0;
        byte value = _fifo[_first];
        _isBreak[_first] = false;
        _first = (_first + 1) % FifoSize;
        _count--;
        _timedOut = false;
        ArmTimeout();
        return value;
    }

    private void ClearInput()
    {
        _first = _count = 0;
        _isBreak.AsSpan().Clear();
        _timedOut = false;
        ArmTimeout();
    }

    private void InputChanged()
    {
        _timedOut = false;
        ArmTimeout();
        UpdateInterrupt();
    }

    private void ArmTimeout()
    {
        if (!FifoEnabled || _count == 0 || _count >= TriggerLevel)
        {
            _timeout.Disarm();
            return;
        }

        long ns = NsPerDivisorBit * Math.Max(_divisor, (ushort)1) * BitsPerCharacter * TimeoutCharacters;
        _timeout.Arm(_clock.NowNs + Math.Min(ns, MaxTimeoutNs));
    }

    private void OnTimeout()
    {
        lock (_gate)
        {
            _timedOut = FifoEnabled && _count > 0;
            UpdateInterrupt();
        }
    }

    /// <summary>True once when input was turned away and there is room again.</summary>
    private bool TakeWantsInput()
    {
        if (!_turnedAway || Loops || _count > Capacity / 2) return false;
        _turnedAway = false;
        return true;
    }

    private Iir Cause
    {
        get
        {
            if ((_ier & Ier.ELSI) != 0 && (_errors != 0 || BreakIsNext)) return Iir.LineStatus;
            if ((_ier & Ier.ERBFI) != 0 && _count >= TriggerLevel) return Iir.ReceivedData;
            if ((_ier & Ier.ERBFI) != 0 && _timedOut) return Iir.CharacterTimeout;
            if ((_ier & Ier.ETBEI) != 0 && _transmitterEmptyPending) return Iir.TransmitterEmpty;
            return (_ier & Ier.EDSSI) != 0 && (_msr & Msr.Deltas) != 0 ? Iir.ModemStatus : Iir.NoInterrupt;
        }
    }

    private bool WantsInterrupt => Cause != Iir.NoInterrupt && (_mcr & (Mcr.OUT2 | Mcr.LOOP)) == Mcr.OUT2;

    private void UpdateInterrupt() => _irq.SetLevel(WantsInterrupt);
}
