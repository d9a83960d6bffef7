using System.Numerics;

namespace Vmm.Devices.Chipset;

/// <summary>One 8259A: registers and priority logic. Not thread-safe; <see cref="I8259Pic"/> guards both.</summary>
internal sealed class I8259Chip(byte elcrWritable, bool isMaster)
{
    /// <summary>The pin of the master to which the slave is wired, as a bit.</summary>
    public const byte CascadeBit = 1 << 2;

    private const int SpuriousPin = 7;
    private const byte VectorBaseMask = 0xf8;
    private const byte PollInterrupt = 1 << 7;

    private byte _irr, _isr, _imr, _pins, _elcr, _vectorBase, _highest;
    private Icw4 _icw4;
    private PicInitStep _step = PicInitStep.Icw1;
    private bool _needsIcw4, _rotatesOnAutoEoi, _specialMask, _readsIsr, _polls;

    /// <summary>The INT output.</summary>
    public bool Int => PendingPin() >= 0;

    public byte Elcr
    {
        get => _elcr;
        set => _elcr = (byte)(value & elcrWritable);
    }

    public void SetPin(int pin, bool asserted)
    {
        byte bit = (byte)(1 << pin);
        bool rising = asserted && (_pins & bit) == 0;
        RestorePin(pin, asserted);
        if ((_elcr & bit) != 0) _irr = (byte)(asserted ? _irr | bit : _irr & ~bit);
        else if (rising) _irr |= bit;
    }

    /// <summary>Level only: no edge.</summary>
    public void RestorePin(int pin, bool asserted) => _pins = (byte)(asserted ? _pins | 1 << pin : _pins & ~(1 << pin));

    /// <summary>The cascade input follows the slave's INT output.</summary>
    public void SetCascade(bool asserted)
    {
        RestorePin(BitOperations.TrailingZeroCount(CascadeBit), asserted);
        _irr = (byte)(asserted ? _irr | CascadeBit : _irr & ~CascadeBit);
    }

    /// <summary>The acknowledge cycle. Pin 7 without an in-service bit when nothing waits (a spurious interrupt).</summary>
    public byte Acknowledge(out bool isCascade)
    {
        int pin = PendingPin();
        isCascade = isMaster && pin >= 0 && 1 << pin == CascadeBit;
        if (pin < 0) return (byte)(_vectorBase + SpuriousPin);
        TakeIntoService(pin);
        return (byte)(_vectorBase + pin);
    }

    public byte ReadCommand()
    {
        if (!_polls) return _readsIsr ? _isr : _irr;
        _polls = false;
        int pin = PendingPin();
        if (pin < 0) return 0;
        TakeIntoService(pin);
        return (byte)(PollInterrupt | pin);
    }

    public byte ReadData() => _polls ? ReadCommand() : _imr;

    public void WriteCommand(byte value)
    {
        if ((value & (byte)Icw1.Icw1Select) != 0) BeginInitialization((Icw1)value);
        else if ((value & (byte)Ocw3.Ocw3Select) != 0) WriteOcw3((Ocw3)value);
        else WriteOcw2((Ocw2)(value >> 5), value & 7);
    }

    public void WriteData(byte value)
    {
        switch (_step)
        {
            case PicInitStep.Done or PicInitStep.Icw1:
                _imr = value;
                break;
            case PicInitStep.Icw2:
                _vectorBase = (byte)(value & VectorBaseMask);
                _step = PicInitStep.Icw3;
                break;
            case PicInitStep.Icw3:
                _step = _needsIcw4 ? PicInitStep.Icw4 : PicInitStep.Done;
                break;
            case PicInitStep.Icw4:
                _icw4 = (Icw4)value;
                _step = PicInitStep.Done;
                break;
        }
    }

    public void Reset()
    {
        _irr = _isr = _imr = _elcr = _vectorBase = _highest = 0;
        _icw4 = 0;
        _step = PicInitStep.Icw1;
        _needsIcw4 = _rotatesOnAutoEoi = _specialMask = _readsIsr = _polls = false;
    }

    public I8259ChipState Save() => new()
    {
        Irr = _irr,
        Isr = _isr,
        Imr = _imr,
        Pins = _pins,
        Elcr = _elcr,
        VectorBase = _vectorBase,
        Highest = _highest,
        Icw4 = (byte)_icw4,
        InitStep = (byte)_step,
        NeedsIcw4 = _needsIcw4,
        RotatesOnAutoEoi = _rotatesOnAutoEoi,
        SpecialMask = _specialMask,
        ReadsIsr = _readsIsr,
        Polls = _polls,
    };

    public void Restore(I8259ChipState state)
    {
        _irr = state.Irr;
        _isr = state.Isr;
        _imr = state.Imr;
        _pins = state.Pins;
        Elcr = state.Elcr;
        _vectorBase = (byte)(state.VectorBase & VectorBaseMask);
        _highest = (byte)(state.Highest & 7);
        _icw4 = (Icw4)state.Icw4;
        _step = (PicInitStep)Math.Min(state.InitStep, (byte)PicInitStep.Icw1);
        _needsIcw4 = state.NeedsIcw4;
        _rotatesOnAutoEoi = state.RotatesOnAutoEoi;
        _specialMask = state.SpecialMask;
        _readsIsr = state.ReadsIsr;
        _polls = state.Polls;
    }

    private void BeginInitialization(Icw1 icw1)
    {
        // Edge latches are forgotten; what is level-triggered and still asserted stays requested.
        _irr = (byte)(_pins & _elcr);
        _isr = _imr = _highest = 0;
        _icw4 = 0;
        _rotatesOnAutoEoi = _specialMask = _readsIsr = _polls = false;
        _needsIcw4 = (icw1 & Icw1.IC4) != 0;
        _step = PicInitStep.Icw2;
    }

    private void WriteOcw3(Ocw3 value)
    {
        if ((value & Ocw3.P) != 0) _polls = true;
        if ((value & Ocw3.RR) != 0) _readsIsr = (value & Ocw3.RIS) != 0;
        if ((value & Ocw3.ESMM) != 0) _specialMask = (value & Ocw3.SMM) != 0;
    }

    private void WriteOcw2(Ocw2 command, int pin)
    {
        switch (command)
        {
            case Ocw2.RotateInAutoEoiClear or Ocw2.RotateInAutoEoiSet:
                _rotatesOnAutoEoi = command == Ocw2.RotateInAutoEoiSet;
                break;
            case Ocw2.NonSpecificEoi or Ocw2.RotateOnNonSpecificEoi:
                int highest = HighestOf(_isr);
                if (highest < 0) break;
                _isr &= (byte)~(1 << highest);
                if (command == Ocw2.RotateOnNonSpecificEoi) _highest = (byte)((highest + 1) & 7);
                break;
            case Ocw2.SpecificEoi or Ocw2.RotateOnSpecificEoi:
                _isr &= (byte)~(1 << pin);
                if (command == Ocw2.RotateOnSpecificEoi) _highest = (byte)((pin + 1) & 7);
                break;
            case Ocw2.SetPriority:
                _highest = (byte)((pin + 1) & 7);
                break;
        }
    }

    private void TakeIntoService(int pin)
    {
        byte bit = (byte)(1 << pin);
        if ((_icw4 & Icw4.AEOI) == 0) _isr |= bit;
        else if (_rotatesOnAutoEoi) _highest = (byte)((pin + 1) & 7);
        if ((_elcr & bit) == 0) _irr &= (byte)~bit;
    }

    /// <summary>The request to serve next, or -1.</summary>
    private int PendingPin()
    {
        int request = HighestOf((byte)(_irr & ~_imr));
        if (request < 0 || _step != PicInitStep.Done) return -1;
        byte blocking = _isr;
        if (_specialMask) blocking &= (byte)~_imr;
        if (isMaster && (_icw4 & Icw4.SFNM) != 0) blocking &= unchecked((byte)~CascadeBit);
        int served = HighestOf(blocking);
        return served < 0 || Rank(request) < Rank(served) ? request : -1;
    }

    private int HighestOf(byte set)
    {
        if (set == 0) return -1;
        uint rotated = (uint)(set << 8 | set) >> _highest;
        return (BitOperations.TrailingZeroCount(rotated) + _highest) & 7;
    }

    private int Rank(int pin) => (pin - _highest) & 7;
}
