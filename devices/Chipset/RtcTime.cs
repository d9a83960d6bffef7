namespace Vmm.Devices.Chipset;

/// <summary>Turns a date into the clock's registers and back, in BCD or binary and with 12 or 24 hours.</summary>
internal static class RtcTime
{
    private const byte Pm = 0x80;
    private const byte AnyAlarm = 0xc0;
    private const int FirstYear = 1900;
    private const int LastYear = 9998;

    /// <summary>Writes the date into the registers.</summary>
    public static void Store(DateTime time, byte[] registers, RtcB format)
    {
        registers[RtcRegister.Seconds] = Encode(time.Second, format);
        registers[RtcRegister.Minutes] = Encode(time.Minute, format);
        registers[RtcRegister.Hours] = EncodeHour(time.Hour, format);
        registers[RtcRegister.DayOfWeek] = Encode((int)time.DayOfWeek + 1, format);
        registers[RtcRegister.DayOfMonth] = Encode(time.Day, format);
        registers[RtcRegister.Month] = Encode(time.Month, format);
        registers[RtcRegister.Year] = Encode(time.Year % 100, format);
        registers[RtcRegister.Century] = Encode(time.Year / 100, format);
    }

    /// <summary>Reads the date; what no calendar has is brought into range.</summary>
    public static DateTime Load(byte[] registers, RtcB format)
    {
        int year = Decode(registers[RtcRegister.Century], format) * 100 + Decode(registers[RtcRegister.Year], format);
        year = Math.Clamp(year, FirstYear, LastYear);
        int month = Math.Clamp(Decode(registers[RtcRegister.Month], format), 1, 12);
        int day = Math.Clamp(Decode(registers[RtcRegister.DayOfMonth], format), 1, DateTime.DaysInMonth(year, month));
        int hour = Math.Min(DecodeHour(registers[RtcRegister.Hours], format), 23);
        int minute = Math.Min(Decode(registers[RtcRegister.Minutes], format), 59);
        int second = Math.Min(Decode(registers[RtcRegister.Seconds], format), 59);
        return new DateTime(year, month, day, hour, minute, second, DateTimeKind.Utc);
    }

    /// <summary>Whether the alarm registers match that moment; 0xc0 and above match anything.</summary>
    public static bool AlarmMatches(DateTime time, byte[] registers, RtcB format) =>
        Matches(registers[RtcRegister.SecondsAlarm], Encode(time.Second, format))
        && Matches(registers[RtcRegister.MinutesAlarm], Encode(time.Minute, format))
        && Matches(registers[RtcRegister.HoursAlarm], EncodeHour(time.Hour, format));

    private static bool Matches(byte alarm, byte now) => alarm >= AnyAlarm || alarm == now;

    private static byte Encode(int value, RtcB format) => (byte)((format & RtcB.DM) != 0 ? value : value / 10 << 4 | value % 10);

    private static int Decode(byte value, RtcB format) => (format & RtcB.DM) != 0 ? value : (value >> 4) * 10 + (value & 15);

    private static byte EncodeHour(int hour, RtcB format)
    {
        if ((format & RtcB.Hours24) != 0) return Encode(hour, format);
        int twelve = hour % 12 == 0 ? 12 : hour % 12;
        return (byte)(Encode(twelve, format) | (hour >= 12 ? Pm : 0));
    }

    private static int DecodeHour(byte value, RtcB format)
    {
        if ((format & RtcB.Hours24) != 0) return Decode(value, format);
        return Decode((byte)(value & ~Pm), format) % 12 + ((value & Pm) != 0 ? 12 : 0);
    }
}
