using Vmm.Core.Bus;
using Vmm.Core.Hypervisor;
using Vmm.Core.Interrupts;
using Vmm.Core.State;

namespace Vmm.Devices.Legacy;

/// <summary>
/// The keyboard controller of a PC (Intel 8042 as in the IBM PS/2 technical reference) with a keyboard and a mouse. Attach
/// <see cref="DataRegion"/> at port 0x60 and <see cref="CommandRegion"/> at 0x64, one port each. Commands finish at once.
/// </summary>
/// <remarks>Thread-safe; drives the wires with the lock held.</remarks>
public sealed class I8042 : BytePortDevice, IStateful<I8042State>
{
    public const int DataRegion = 0;
    public const int CommandRegion = 1;

    /// <summary>The data port.</summary>
    public const ushort DataPort = 0x60;

    /// <summary>The status and command port.</summary>
    public const ushort CommandPort = 0x64;

    private const byte FirmwareMode = (byte)(I8042Mode.KeyboardInterrupt | I8042Mode.AuxInterrupt | I8042Mode.SYS | I8042Mode.Translate);

    private readonly Lock _gate = new();
    private readonly IInterruptLine _keyboardIrq, _mouseIrq;
    private readonly IMachineControl _machine;
    private readonly A20Gate _a20;
    private readonly Ps2Keyboard _keyboard = new();
    private readonly Ps2Mouse _mouse = new();
    private I8042Mode _mode = (I8042Mode)FirmwareMode;
    private byte _pending;
    private bool _lastWasCommand;
    private byte? _output;
    private bool _outputIsAux;

    /// <param name="keyboardIrq">ISA IRQ 1.</param>
    /// <param name="mouseIrq">ISA IRQ 12.</param>
    /// <param name="machine">Who is told of the reset pulse.</param>
    /// <param name="a20">The gate shared with port 0x92.</param>
    public I8042(IInterruptLine keyboardIrq, IInterruptLine mouseIrq, IMachineControl machine, A20Gate a20)
    {
        _keyboardIrq = keyboardIrq;
        _mouseIrq = mouseIrq;
        _machine = machine;
        _a20 = a20;
    }

    /// <summary>A key goes down or up. Any thread. Lost when the keyboard is disabled or the guest does not keep up.</summary>
    /// <param name="scanCode">Code in scan code set 1: 1 to 0x5f, 0xe0xx for the extended keys.</param>
    /// <param name="pressed">Down.</param>
    public void KeyEvent(ushort scanCode, bool pressed)
    {
        lock (_gate)
        {
            _keyboard.Press(scanCode, pressed, (_mode & I8042Mode.Translate) != 0);
            Refill();
        }
    }

    /// <inheritdoc/>
    public I8042State Save()
    {
        lock (_gate)
        {
            return new I8042State
            {
                Mode = (byte)_mode,
                PendingCommand = _pending,
                LastWriteWasCommand = _lastWasCommand,
                Output = _output,
                OutputIsAux = _outputIsAux,
                A20 = _a20.IsEnabled,
                Keyboard = _keyboard.Save(),
                Mouse = _mouse.Save(),
            };
        }
    }

    /// <inheritdoc/>
    public void Restore(I8042State state)
    {
        if (state.Version != I8042State.CurrentVersion) throw new StateException($"8042: state version {state.Version} cannot be restored");
        lock (_gate)
        {
            _mode = (I8042Mode)state.Mode;
            _pending = state.PendingCommand;
            _lastWasCommand = state.LastWriteWasCommand;
            _output = state.Output;
            _outputIsAux = state.OutputIsAux;
            _a20.IsEnabled = state.A20;
            _keyboard.Restore(state.Keyboard);
            _mouse.Restore(state.Mouse);
            _keyboardIrq.RestoreLevel(WantsKeyboardIrq);
            _mouseIrq.RestoreLevel(WantsMouseIrq);
        }
    }

    /// <inheritdoc/>
    protected override byte ReadPort(int region, int offset)
    {
        lock (_gate) return region == CommandRegion ? (byte)Status : ReadData();
    }

    /// <inheritdoc/>
    protected override void WritePort(int region, int offset, byte value)
    {
        bool reset;
        lock (_gate)
        {
            _lastWasCommand = region == CommandRegion;
            reset = _lastWasCommand ? WriteCommand(value) : WriteData(value);
            Refill();
        }

        if (reset) _machine.RequestReset();
    }

    private I8042Status Status => I8042Status.Unlocked
        | (_output is not null ? I8042Status.OBF : 0)
        | (_output is not null && _outputIsAux ? I8042Status.AuxObf : 0)
        | ((_mode & I8042Mode.SYS) != 0 ? I8042Status.SYS : 0)
        | (_lastWasCommand ? I8042Status.CMD : 0);

    private I8042OutputPort OutputPort => I8042OutputPort.NotReset
        | (_a20.IsEnabled ? I8042OutputPort.A20 : 0)
        | (_output is not null ? _outputIsAux ? I8042OutputPort.AuxObf : I8042OutputPort.KeyboardObf : 0);

    private bool WantsKeyboardIrq => _output is not null && !_outputIsAux && (_mode & I8042Mode.KeyboardInterrupt) != 0;

    private bool WantsMouseIrq => _output is not null && _outputIsAux && (_mode & I8042Mode.AuxInterrupt) != 0;

    private byte ReadData()
    {
        byte value = _output ?? 0;
        _output = null;
        UpdateLines(); // low in between, so that the next byte is an edge of its own
        Refill();
        return value;
    }

    /// <returns>True: reset the machine.</returns>
    private bool WriteCommand(byte command)
    {
        _pending = 0;
        switch (command)
        {
            case I8042Command.ReadMode:
                Reply((byte)_mode);
                break;
            case I8042Command.WriteMode or I8042Command.WriteOutputPort or I8042Command.WriteKeyboardBuffer
                or I8042Command.WriteAuxBuffer or I8042Command.WriteAuxDevice:
                _pending = command;
                break;
            case I8042Command.DisableAux:
                _mode |= I8042Mode.DisableAux;
                break;
            case I8042Command.EnableAux:
                _mode &= ~I8042Mode.DisableAux;
                break;
            case I8042Command.TestAux or I8042Command.TestKeyboard:
                Reply(I8042Command.TestPassed);
                break;
            case I8042Command.SelfTest:
                _mode |= I8042Mode.SYS;
                Reply(I8042Command.SelfTestPassed);
                break;
            case I8042Command.DisableKeyboard:
                _mode |= I8042Mode.DisableKeyboard;
                break;
            case I8042Command.EnableKeyboard:
                _mode &= ~I8042Mode.DisableKeyboard;
                break;
            case I8042Command.ReadInputPort or I8042Command.ReadTestInputs:
                Reply(0);
                break;
            case I8042Command.ReadOutputPort:
                Reply((byte)OutputPort);
                break;
            case I8042Command.DisableA20 or I8042Command.EnableA20:
                _a20.IsEnabled = command == I8042Command.EnableA20;
                break;
            case >= I8042Command.PulseFirst:
                return (command & (byte)I8042OutputPort.NotReset) == 0;
        }

        return false;
    }

    /// <returns>True: reset the machine.</returns>
    private bool WriteData(byte value)
    {
        byte command = _pending;
        _pending = 0;
        switch (command)
        {
            case I8042Command.WriteMode:
                _mode = (I8042Mode)value;
                break;
            case I8042Command.WriteOutputPort:
                _a20.IsEnabled = (value & (byte)I8042OutputPort.A20) != 0;
                return (value & (byte)I8042OutputPort.NotReset) == 0;
            case I8042Command.WriteKeyboardBuffer:
                Reply(value);
                break;
            case I8042Command.WriteAuxBuffer:
                Reply(value, isAux: true);
                break;
            case I8042Command.WriteAuxDevice:
                _mode &= ~I8042Mode.DisableAux;
                _mouse.Write(value);
                break;
            default:
                _mode &= ~I8042Mode.DisableKeyboard;
                _keyboard.Write(value);
                break;
        }

        return false;
    }

    private void Reply(byte value, bool isAux = false)
    {
        _output = null;
        UpdateLines();
        _output = value;
        _outputIsAux = isAux;
    }

    private void Refill()
    {
        if (_output is null && (_mode & I8042Mode.DisableKeyboard) == 0 && _keyboard.Output.TryTake(out byte key))
        {
            _output = key;
            _outputIsAux = false;
        }
        else if (_output is null && (_mode & I8042Mode.DisableAux) == 0 && _mouse.Output.TryTake(out byte move))
        {
            _output = move;
            _outputIsAux = true;
        }

        UpdateLines();
    }

    private void UpdateLines()
    {
        _keyboardIrq.SetLevel(WantsKeyboardIrq);
        _mouseIrq.SetLevel(WantsMouseIrq);
    }
}
