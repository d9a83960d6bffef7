namespace Vmm.Devices.Chipset;

/// <summary>Registers of the clock and of the PC's battery-backed memory (Motorola MC146818A datasheet; IBM PC/AT CMOS map).</summary>
internal static class RtcRegister
{
    public const int Seconds = 0x00;
    public const int SecondsAlarm = 0x01;
    public const int Minutes = 0x02;
    public const int MinutesAlarm = 0x03;
    public const int Hours = 0x04;
    public const int HoursAlarm = 0x05;
    public const int DayOfWeek = 0x06;
    public const int DayOfMonth = 0x07;
    public const int Month = 0x08;
    public const int Year = 0x09;
    public const int A = 0x0a;
    public const int B = 0x0b;
    public const int C = 0x0c;
    public const int D = 0x0d;
    public const int BaseMemory = 0x15;
    public const int ExtendedMemory = 0x17;
    public const int ExtendedMemoryCopy = 0x30;
    public const int Century = 0x32;
    public const int MemoryAbove16M = 0x34;
    public const int MemoryAbove4G = 0x5b;
    public const int Count = 0x80;
}

/// <summary>Register A.</summary>
[Flags]
internal enum RtcA : byte
{
    RateMask = 0x0f,
    DividerMask = 0x70,
    Divider32768Hz = 0x20,
    UIP = 0x80,
}

/// <summary>Register B.</summary>
[Flags]
internal enum RtcB : byte
{
    DSE = 1 << 0,
    Hours24 = 1 << 1,
    DM = 1 << 2,
    SQWE = 1 << 3,
    UIE = 1 << 4,
    AIE = 1 << 5,
    PIE = 1 << 6,
    SET = 1 << 7,
}

/// <summary>Register C; its flags stand where register B has their enables.</summary>
[Flags]
internal enum RtcC : byte
{
    UF = 1 << 4,
    AF = 1 << 5,
    PF = 1 << 6,
    IRQF = 1 << 7,
    Causes = UF | AF | PF,
}

/// <summary>Register D.</summary>
[Flags]
internal enum RtcD : byte
{
    VRT = 1 << 7,
}
