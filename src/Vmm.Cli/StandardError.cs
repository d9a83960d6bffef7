using System.Globalization;
using System.Text;
using Vmm.Host;

namespace Vmm.Cli;

/// <summary>
/// Lines for the user. Written without System.Console, whose first use costs more than the rest of the start, and with a carriage
/// return while the terminal is raw.
/// </summary>
internal static class StandardError
{
    private static readonly LinuxFile File = LinuxFile.Standard(2);

    // With -T as xl has it.
    private static string Prefix => GlobalFlags.ShowsTime ? string.Create(CultureInfo.InvariantCulture, $"vmm: {DateTime.UtcNow:yyyy-MM-dd HH:mm:ss} UTC [{Environment.ProcessId}] ") : "vmm: ";

    /// <summary>"vmm: error: …".</summary>
    public static void Error(string text) => Line($"{Prefix}error: {text}");

    /// <summary>"vmm: …".</summary>
    public static void Note(string text) => Line(Prefix + text);

    /// <summary>A line, or several, as they are.</summary>
    public static void Line(string text)
    {
        string end = Terminal.IsAnyRaw ? "\r\n" : "\n";
        byte[] bytes = Encoding.UTF8.GetBytes(text.ReplaceLineEndings(end) + end);
        try
        {
            File.Write(bytes);
        }
        catch (LinuxException)
        {
            // Nobody can be told.
        }
    }
}
