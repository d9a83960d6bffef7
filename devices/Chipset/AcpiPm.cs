using Vmm.Core.Bus;
using Vmm.Core.Hypervisor;
using Vmm.Core.Interrupts;
using Vmm.Core.State;
using Vmm.Core.Time;

namespace Vmm.Devices.Chipset;

/// <summary>
/// The fixed ACPI hardware (ACPI 6.5 §4.8): PM1a event and control blocks, a general-purpose event block, the power button and the
/// soft-off state. There is no SMI command port: the machine is always in ACPI mode, SCI_EN is always set.
/// </summary>
/// <remarks>
/// Attach <see cref="EventRegion"/> (4 ports), <see cref="ControlRegion"/> (2) and <see cref="GpeRegion"/> (4) where the FADT says.
/// Thread-safe. The SCI is a level-triggered, active-high wire, GSI 9 on a PC.
/// </remarks>
public sealed class AcpiPm : BytePortDevice, IStateful<AcpiPmState>
{
    public const int EventRegion = 0;
    public const int ControlRegion = 1;
    public const int GpeRegion = 2;

    /// <summary>Where the event block stands by convention of this project; control follows at +4 and the PM timer at +8.</summary>
    public const ushort DefaultPort = 0x600;

    /// <summary>Where the GPE0 block stands by convention.</summary>
    public const ushort DefaultGpePort = 0x620;

    /// <summary>PM1a_EVT_LEN.</summary>
    public const byte EventBytes = 4;

    /// <summary>PM1_CNT_LEN.</summary>
    public const byte ControlBytes = 2;

    /// <summary>GPE0_BLK_LEN: 16 events.</summary>
    public const byte GpeBytes = 4;

    /// <summary>The SLP_TYP that the DSDT's \_S5 must name.</summary>
    public const byte S5SleepType = 5;

    private const int SleepTypeShift = 10;

    private readonly Lock _gate = new();
    private readonly IInterruptLine _sci;
    private readonly IMachineControl _machine;
    private readonly PmTimer _pmTimer;
    private readonly IClockTimer _carry;
    private Pm1Event _status, _enable;
    private Pm1Control _control;
    private ushort _gpeStatus, _gpeEnable;
    private ulong _carriesSeen;

    /// <param name="sci">The system control interrupt.</param>
    /// <param name="machine">Who is told of soft-off.</param>
    /// <param name="pmTimer">Its carry is an event.</param>
    /// <param name="clock">To tell the carry when it is enabled.</param>
    public AcpiPm(IInterruptLine sci, IMachineControl machine, PmTimer pmTimer, IClock clock)
    {
        _sci = sci;
        _machine = machine;
        _pmTimer = pmTimer;
        _carry = clock.CreateTimer(OnCarry);
    }

    /// <summary>Whether the guest has switched the power button's event on.</summary>
    public bool HearsPowerButton
    {
        get
        {
            lock (_gate) return (_enable & Pm1Event.PWRBTN) != 0;
        }
    }

    /// <summary>Presses the power button: the guest gets a fixed event and decides. Any thread.</summary>
    public void PressPowerButton()
    {
        lock (_gate)
        {
            _status |= Pm1Event.PWRBTN;
            Update();
        }
    }

    /// <summary>Raises a general-purpose event, 0 to 15, for which the DSDT has a method. Any thread.</summary>
    public void RaiseGpe(int number)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)number, 15u);
        lock (_gate)
        {
            _gpeStatus |= (ushort)(1 << number);
            Update();
        }
    }

    /// <inheritdoc/>
    public AcpiPmState Save()
    {
        lock (_gate)
        {
            NoteCarry();
            return new AcpiPmState
            {
                Status = (ushort)_status,
                Enable = (ushort)_enable,
                Control = (ushort)_control,
                GpeStatus = _gpeStatus,
                GpeEnable = _gpeEnable,
            };
        }
    }

    /// <inheritdoc/>
    public void Restore(AcpiPmState state)
    {
        if (state.Version != AcpiPmState.CurrentVersion) throw new StateException($"ACPI PM: state version {state.Version} cannot be restored");
        lock (_gate)
        {
            _carriesSeen = _pmTimer.Carries;
            _status = (Pm1Event)state.Status;
            _enable = (Pm1Event)state.Enable & Pm1Event.CanEnable;
            _control = (Pm1Control)state.Control & Pm1Control.Kept;
            _gpeStatus = state.GpeStatus;
            _gpeEnable = state.GpeEnable;
            ArmCarry();
            _sci.RestoreLevel(WantsSci);
        }
    }

    /// <inheritdoc/>
    protected override byte ReadPort(int region, int offset)
    {
        lock (_gate)
        {
            NoteCarry();
            return region switch
            {
                EventRegion => ByteOf(offset < 2 ? (ushort)_status : (ushort)_enable, offset),
                ControlRegion => ByteOf((ushort)(_control | Pm1Control.SCI_EN), offset),
                _ => ByteOf(offset < 2 ? _gpeStatus : _gpeEnable, offset),
            };
        }
    }

    /// <inheritdoc/>
    protected override void WritePort(int region, int offset, byte value)
    {
        bool powerOff = false;
        lock (_gate)
        {
            NoteCarry();
            switch (region)
            {
                case EventRegion when offset < 2:
                    _status &= (Pm1Event)Without((ushort)_status, offset, value);
                    break;
                case EventRegion:
                    _enable = (Pm1Event)Replace((ushort)_enable, offset, value) & Pm1Event.CanEnable;
                    ArmCarry();
                    break;
                case ControlRegion:
                    Pm1Control written = (Pm1Control)Replace((ushort)_control, offset, value);
                    _control = written & Pm1Control.Kept;
                    powerOff = (written & Pm1Control.SLP_EN) != 0 && (int)(written & Pm1Control.SLP_TYP) >> SleepTypeShift == S5SleepType;
                    break;
                case GpeRegion when offset < 2:
                    _gpeStatus = Without(_gpeStatus, offset, value);
                    break;
                default:
                    _gpeEnable = Replace(_gpeEnable, offset, value);
                    break;
            }

            Update();
        }

        if (powerOff) _machine.RequestPowerOff();
    }

    private static byte ByteOf(ushort value, int offset) => (byte)(value >> ((offset & 1) * 8));

    private static ushort Replace(ushort old, int offset, byte value) =>
        (offset & 1) == 0 ? (ushort)((old & 0xff00) | value) : (ushort)((old & 0x00ff) | value << 8);

    private static ushort Without(ushort old, int offset, byte ones) => (ushort)(old & ~(ones << ((offset & 1) * 8)));

    private void OnCarry()
    {
        lock (_gate)
        {
            NoteCarry();
            ArmCarry();
            Update();
        }
    }

    private void NoteCarry()
    {
        ulong carries = _pmTimer.Carries;
        if (carries == _carriesSeen) return;
        _carriesSeen = carries;
        _status |= Pm1Event.TMR;
    }

    private void ArmCarry()
    {
        if ((_enable & Pm1Event.TMR) != 0) _carry.Arm(_pmTimer.NextCarryNs);
        else _carry.Disarm();
    }

    private bool WantsSci => (_status & _enable) != 0 || (_gpeStatus & _gpeEnable) != 0;

    private void Update() => _sci.SetLevel(WantsSci);
}
