namespace Vmm.Devices.Legacy;

/// <summary>A standard three-byte PS/2 mouse that lies still: it answers every command. Not thread-safe.</summary>
internal sealed class Ps2Mouse
{
    private const byte StandardMouse = 0x00;
    private const byte DefaultRate = 100;
    private const byte DefaultResolution = 2;
    private const byte StatusEnabled = 1 << 5;
    private const byte PacketAlwaysOne = 1 << 3;

    private byte _pending;
    private byte _rate = DefaultRate;
    private byte _resolution = DefaultResolution;
    private bool _enabled;

    public Ps2Queue Output { get; } = new();

    /// <summary>Takes a byte from the host.</summary>
    public void Write(byte value)
    {
        byte pending = _pending;
        _pending = 0;
        switch (pending)
        {
            case Ps2.SetRate:
                _rate = value;
                Output.Add(Ps2.ACK);
                break;
            case Ps2.SetResolution:
                _resolution = value;
                Output.Add(Ps2.ACK);
                break;
            default:
                WriteCommand(value);
                break;
        }
    }

    public Ps2DeviceState Save() => new()
    {
        Queue = Output.ToArray(),
        PendingCommand = _pending,
        IsEnabled = _enabled,
        Setting = _resolution,
        Rate = _rate,
    };

    public void Restore(Ps2DeviceState state)
    {
        Output.Load(state.Queue);
        _pending = state.PendingCommand;
        _enabled = state.IsEnabled;
        _resolution = state.Setting;
        _rate = state.Rate;
    }

    private void WriteCommand(byte value)
    {
        if (value < Ps2.SetScaling1)
        {
            Output.Add(Ps2.Resend);
            return;
        }

        Output.Add(Ps2.ACK);
        switch (value)
        {
            case Ps2.SetResolution or Ps2.SetRate:
                _pending = value;
                break;
            case Ps2.StatusRequest:
                Output.Add(_enabled ? StatusEnabled : (byte)0);
                Output.Add(_resolution);
                Output.Add(_rate);
                break;
            case Ps2.ReadData:
                Output.Add(PacketAlwaysOne);
                Output.Add(0);
                Output.Add(0);
                break;
            case Ps2.Identify:
                Output.Add(StandardMouse);
                break;
            case Ps2.Enable:
                _enabled = true;
                break;
            case Ps2.Disable:
                _enabled = false;
                break;
            case Ps2.SetDefaults:
                SetDefaults();
                break;
            case Ps2.Reset:
                SetDefaults();
                Output.Add(Ps2.SelfTestPassed);
                Output.Add(StandardMouse);
                break;
        }
    }

    private void SetDefaults()
    {
        _rate = DefaultRate;
        _resolution = DefaultResolution;
        _enabled = false;
    }
}
