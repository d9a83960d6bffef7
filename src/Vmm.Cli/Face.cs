namespace Vmm.Cli;

/// <summary>The name under which this executable was called: as xl or xm it has the verbs of those and no others.</summary>
internal static class Face
{
    private const string CommandLineFile = "/proc/self/cmdline";

    /// <summary>How it was called, without the folder.</summary>
    public static string CalledAs { get; } = Find();

    /// <summary>"vmm", "xl" or "xm".</summary>
    public static string Name => CalledAs is "xl" or "xm" ? CalledAs : "vmm";

    /// <summary>Whether it is xl's or xm's.</summary>
    public static bool IsXl => Name != "vmm";

    // The runtime says which file runs, not how it was called.
    private static string Find()
    {
        try
        {
            return Path.GetFileName(File.ReadAllText(CommandLineFile).Split('\0', 2)[0]);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "vmm";
        }
    }
}
