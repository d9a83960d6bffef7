namespace Vmm.Devices.Legacy;

/// <summary>Status register at port 0x64 (IBM PS/2 technical reference, "Keyboard/Auxiliary Device Controller").</summary>
[Flags]
internal enum I8042Status : byte
{
    OBF = 1 << 0,
    SYS = 1 << 2,
    CMD = 1 << 3,
    Unlocked = 1 << 4,
    AuxObf = 1 << 5,
}

/// <summary>The controller command byte.</summary>
[Flags]
internal enum I8042Mode : byte
{
    KeyboardInterrupt = 1 << 0,
    AuxInterrupt = 1 << 1,
    SYS = 1 << 2,
    DisableKeyboard = 1 << 4,
    DisableAux = 1 << 5,
    Translate = 1 << 6,
}

/// <summary>Controller commands, written to port 0x64.</summary>
internal static class I8042Command
{
    public const byte ReadMode = 0x20;
    public const byte WriteMode = 0x60;
    public const byte DisableAux = 0xa7;
    public const byte EnableAux = 0xa8;
    public const byte TestAux = 0xa9;
    public const byte SelfTest = 0xaa;
    public const byte TestKeyboard = 0xab;
    public const byte DisableKeyboard = 0xad;
    public const byte EnableKeyboard = 0xae;
    public const byte ReadInputPort = 0xc0;
    public const byte ReadOutputPort = 0xd0;
    public const byte WriteOutputPort = 0xd1;
    public const byte WriteKeyboardBuffer = 0xd2;
    public const byte WriteAuxBuffer = 0xd3;
    public const byte WriteAuxDevice = 0xd4;
    public const byte DisableA20 = 0xdd;
    public const byte EnableA20 = 0xdf;
    public const byte ReadTestInputs = 0xe0;
    public const byte PulseFirst = 0xf0;

    public const byte SelfTestPassed = 0x55;
    public const byte TestPassed = 0x00;
}

/// <summary>The controller's output port.</summary>
[Flags]
internal enum I8042OutputPort : byte
{
    NotReset = 1 << 0,
    A20 = 1 << 1,
    KeyboardObf = 1 << 4,
    AuxObf = 1 << 5,
}

/// <summary>Commands and replies of PS/2 devices (IBM PS/2 technical reference, keyboard and auxiliary device).</summary>
internal static class Ps2
{
    public const byte SetScaling1 = 0xe6;
    public const byte SetScaling2 = 0xe7;
    public const byte SetResolution = 0xe8;
    public const byte StatusRequest = 0xe9;
    public const byte SetStreamMode = 0xea;
    public const byte ReadData = 0xeb;
    public const byte ResetWrapMode = 0xec;
    public const byte SetLeds = 0xed;
    public const byte Echo = 0xee;
    public const byte SetWrapMode = 0xee;
    public const byte ScanCodeSet = 0xf0;
    public const byte SetRemoteMode = 0xf0;
    public const byte Identify = 0xf2;
    public const byte SetRate = 0xf3;
    public const byte Enable = 0xf4;
    public const byte Disable = 0xf5;
    public const byte SetDefaults = 0xf6;
    public const byte Resend = 0xfe;
    public const byte Reset = 0xff;

    public const byte ACK = 0xfa;
    public const byte SelfTestPassed = 0xaa;
    public const byte KeyboardIdLow = 0xab;
    public const byte KeyboardIdHigh = 0x83;
}
