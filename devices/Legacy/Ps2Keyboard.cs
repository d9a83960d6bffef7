namespace Vmm.Devices.Legacy;

/// <summary>An AT keyboard with scan code sets 1 and 2 (IBM PS/2 technical reference, keyboard). Not thread-safe.</summary>
internal sealed class Ps2Keyboard
{
    private const byte Extended = 0xe0;
    private const byte Set1Break = 0x80;
    private const byte Set2Break = 0xf0;
    private const byte SetQuery = 0;
    private const byte DefaultSet = 2;

    // Scan code set 2, indexed by the set 1 code of the same key.
    private static ReadOnlySpan<byte> Set2 =>
    [
        0x00, 0x76, 0x16, 0x1e, 0x26, 0x25, 0x2e, 0x36, 0x3d, 0x3e, 0x46, 0x45, 0x4e, 0x55, 0x66, 0x0d,
        0x15, 0x1d, 0x24, 0x2d, 0x2c, 0x35, 0x3c, 0x43, 0x44, 0x4d, 0x54, 0x5b, 0x5a, 0x14, 0x1c, 0x1b,
        0x23, 0x2b, 0x34, 0x33, 0x3b, 0x42, 0x4b, 0x4c, 0x52, 0x0e, 0x12, 0x5d, 0x1a, 0x22, 0x21, 0x2a,
        0x32, 0x31, 0x3a, 0x41, 0x49, 0x4a, 0x59, 0x7c, 0x11, 0x29, 0x58, 0x05, 0x06, 0x04, 0x0c, 0x03,
        0x0b, 0x83, 0x0a, 0x01, 0x09, 0x77, 0x7e, 0x6c, 0x75, 0x7d, 0x7b, 0x6b, 0x73, 0x74, 0x79, 0x69,
        0x72, 0x7a, 0x70, 0x71, 0x84, 0x60, 0x61, 0x78, 0x07, 0x0f, 0x17, 0x1f, 0x27, 0x2f, 0x37, 0x3f,
    ];

    private byte _pending;
    private byte _leds;
    private byte _set = DefaultSet;
    private bool _enabled = true;

    public Ps2Queue Output { get; } = new();

    /// <summary>Takes a byte from the host.</summary>
    public void Write(byte value)
    {
        byte pending = _pending;
        _pending = 0;
        if (pending != 0 && value < Ps2.SetLeds) WriteParameter(pending, value);
        else WriteCommand(value);
    }

    /// <summary>A key goes down or up.</summary>
    /// <param name="code">Set 1 code, 0xe0xx for the extended keys.</param>
    /// <param name="pressed">Down.</param>
    /// <param name="translated">The controller turns set 2 into set 1.</param>
    public void Press(ushort code, bool pressed, bool translated)
    {
        byte key = (byte)(code & ~Set1Break);
        bool extended = code >> 8 == Extended;
        bool asSet1 = translated || _set == 1;
        const int LongestCode = 3;
        if (!_enabled || key >= Set2.Length || Output.Room < LongestCode) return;
        if (extended) Output.Add(Extended);
        if (!asSet1 && !pressed) Output.Add(Set2Break);
        Output.Add(asSet1 ? (byte)(key | (pressed ? 0 : Set1Break)) : Set2[key]);
    }

    public Ps2DeviceState Save() => new()
    {
        Queue = Output.ToArray(),
        PendingCommand = _pending,
        IsEnabled = _enabled,
        Setting = _set,
        Rate = _leds,
    };

    public void Restore(Ps2DeviceState state)
    {
        Output.Load(state.Queue);
        _pending = state.PendingCommand;
        _enabled = state.IsEnabled;
        _set = state.Setting;
        _leds = state.Rate;
    }

    private void WriteCommand(byte value)
    {
        switch (value)
        {
            case Ps2.Echo:
                Output.Add(Ps2.Echo);
                return;
            case Ps2.SetLeds or Ps2.ScanCodeSet or Ps2.SetRate:
                _pending = value;
                break;
            case Ps2.Enable:
                _enabled = true;
                break;
            case Ps2.Disable or Ps2.SetDefaults:
                SetDefaults(enabled: value != Ps2.Disable);
                break;
            case Ps2.Reset:
                SetDefaults(enabled: true);
                Output.Add(Ps2.ACK);
                Output.Add(Ps2.SelfTestPassed);
                return;
            case Ps2.Identify:
                Output.Add(Ps2.ACK);
                Output.Add(Ps2.KeyboardIdLow);
                Output.Add(Ps2.KeyboardIdHigh);
                return;
            case < Ps2.SetLeds:
                Output.Add(Ps2.Resend);
                return;
        }

        Output.Add(Ps2.ACK);
    }

    private void WriteParameter(byte command, byte value)
    {
        Output.Add(Ps2.ACK);
        switch (command)
        {
            case Ps2.SetLeds:
                _leds = value;
                break;
            case Ps2.ScanCodeSet when value == SetQuery:
                Output.Add(_set);
                break;
            case Ps2.ScanCodeSet when value is 1 or 2:
                _set = value;
                break;
        }
    }

    private void SetDefaults(bool enabled)
    {
        Output.Clear();
        _set = DefaultSet;
        _leds = 0;
        _enabled = enabled;
    }
}
