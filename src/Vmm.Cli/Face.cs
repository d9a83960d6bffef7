namespace Vmm.Cli;

/// <summary>The name under which this executable was called: as xl or xm it has the verbs of those and no others.</summary>
internal static class Face
{
    private const string CommandLineFile = "/proc/self/cmdline";

    /// <summary>"vmm", "xl" or "xm".</summary>
    public static string Name { get; } = Find();

    /// <summary>Whether it is xl's or xm's.</summary>
    public static bool IsXl => Name != "vmm";

    // The runtime says which file runs, not how it was called.
    private static string Find()
    {
        try
        {
            string first = File.ReadAllText(CommandLineFile).Split('\0', 2)[0];
            return Path.GetFileName(first) is "xl" or "xm" ? Path.GetFileName(first) : "vmm";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "vmm";
        }
    }
}
