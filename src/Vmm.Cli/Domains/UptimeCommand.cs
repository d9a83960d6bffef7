using System.CommandLine;
using System.Globalization;
using System.Text;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm uptime</c>.</summary>
internal static class UptimeCommand
{
    public static Command Create()
    {
        Option<bool> isShort = new("--short", "-s") { Description = "A line as uptime(1) prints it." };
        Argument<string[]> names = DomainVerb.Domains();
        return DomainVerb.New("uptime", "Print how long domains have been running; paused time is left out.", result =>
        {
            string[] asked = result.GetValue(names) ?? [];
            StringBuilder text = new(result.GetValue(isShort) ? "" : $"{"Name",-33} {"ID",4} Uptime\n");
            if (asked.Length == 0 || asked.Any(DomainVerb.IsHost)) Append(text, DomainVerb.HostName, 0, HostStatus.UptimeSeconds, result.GetValue(isShort));
            foreach (DomainStatus domain in DomainStatus.Read(asked)) Append(text, domain.Name, domain.Folder.Id, domain.Info?.UptimeSeconds ?? 0, result.GetValue(isShort));
            result.InvocationConfiguration.Output.Write(text);
            return (int)ExitCode.Ok;
        }, isShort, names);
    }

    private static void Append(StringBuilder text, string name, int id, double seconds, bool isShort)
    {
        TimeSpan time = TimeSpan.FromSeconds(Math.Floor(seconds));
        string days = time.Days switch { 0 => "", 1 => "1 day, ", _ => $"{time.Days} days, " };
        if (isShort) text.Append(CultureInfo.InvariantCulture, $" {DateTime.Now:HH:mm:ss} up {days}{time.Hours,2}:{time.Minutes:00}, {name} ({id})\n");
        else text.Append(CultureInfo.InvariantCulture, $"{name,-33} {id,4} {days}{time.Hours,2}:{time.Minutes:00}:{time.Seconds:00}\n");
    }
}
