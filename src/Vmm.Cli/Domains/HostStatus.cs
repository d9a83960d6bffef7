using System.Globalization;
using Vmm.Host;

namespace Vmm.Cli.Domains;

/// <summary>The host as Domain-0: its memory, its processors, the time they have worked.</summary>
internal static class HostStatus
{
    // USER_HZ is 100 on x86-64 whatever the kernel's own tick is.
    private const double TicksPerSecond = 100;
    private const int IdleField = 4, WaitField = 5, GuestField = 9, BytesShift = 20;

    /// <summary>RAM, in MiB.</summary>
    public static ulong MemoryMegabytes => HostFacts.MemoryBytes.GetValueOrDefault() >> BytesShift;

    /// <summary>Seconds that all processors have worked since the host was started; the guests' part is in it.</summary>
    public static double BusySeconds
    {
        get
        {
            string[] fields = FirstLine("/proc/stat").Split(' ', StringSplitOptions.RemoveEmptyEntries);
            double ticks = 0;
            // The guests' time is counted as the user's already.
            for (int i = 1; i < Math.Min(fields.Length, GuestField); i++)
            {
                if (i is IdleField or WaitField) continue;
                if (double.TryParse(fields[i], NumberStyles.None, CultureInfo.InvariantCulture, out double value)) ticks += value;
            }

            return ticks / TicksPerSecond;
        }
    }

    /// <summary>Seconds since the host was started.</summary>
    public static double UptimeSeconds
        => double.TryParse(FirstLine("/proc/uptime").Split(' ')[0], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds) ? seconds : 0;

    private static string FirstLine(string path) => File.ReadLines(path).FirstOrDefault() ?? "";
}
