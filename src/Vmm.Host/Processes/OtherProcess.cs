using System.Globalization;
using System.Text.Json.Serialization;
using Vmm.Host.Native;

namespace Vmm.Host.Processes;

/// <summary>A process that may be no child of this one: known by its number and its start, so that a later one with the number is not taken for it.</summary>
/// <param name="Id">Its number.</param>
/// <param name="StartTicks">When it was started, in ticks since the host's start (proc(5), /proc/PID/stat, field 22).</param>
public sealed record OtherProcess(int Id, ulong StartTicks)
{
    // Fields of /proc/PID/stat behind the name, which may hold anything.
    private const int State = 0, UserTime = 11, SystemTime = 12, StartTime = 19;
    private const double TicksPerSecond = 100;

    /// <summary>Whether it lives; a dead one that nobody has asked after does not.</summary>
    [JsonIgnore]
    public bool IsAlive => Read(Id) is { } fields && fields[State] is not ("Z" or "X") && StartOf(fields) == StartTicks;

    /// <summary>Its time on processors; 0 when it is gone.</summary>
    [JsonIgnore]
    public TimeSpan CpuTime => Read(Id) is { } fields && StartOf(fields) == StartTicks
        ? TimeSpan.FromSeconds((Number(fields[UserTime]) + Number(fields[SystemTime])) / TicksPerSecond)
        : TimeSpan.Zero;

    /// <summary>The process with a number; null when there is none.</summary>
    public static OtherProcess? Find(int id) => Read(id) is { } fields ? new(id, StartOf(fields)) : null;

    /// <summary>Waits for its end, and ends it when that takes too long.</summary>
    public void WaitOrKill(TimeSpan patience)
    {
        const int SIGKILL = 9, PauseMs = 5;
        for (long end = Environment.TickCount64 + (long)patience.TotalMilliseconds; IsAlive; Thread.Sleep(PauseMs))
        {
            if (Environment.TickCount64 < end) continue;
            _ = Libc.Kill(Id, SIGKILL);
            return;
        }
    }

    private static ulong StartOf(string[] fields) => Number(fields[StartTime]);

    private static ulong Number(string field) => ulong.TryParse(field, NumberStyles.None, CultureInfo.InvariantCulture, out ulong value) ? value : 0;

    private static string[]? Read(int id)
    {
        try
        {
            string text = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{id}/stat"));
            string[] fields = text[(text.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            return fields.Length > StartTime ? fields : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
