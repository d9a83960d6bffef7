using System.Runtime.CompilerServices;

namespace Vmm.TestKit;

/// <summary>Where things are in the working tree.</summary>
public static class Repository
{
    /// <summary>Top of the tree.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The published executable.</summary>
    public static string Vmm { get; } = Path.Combine(Root, "out", "vmm");

    /// <summary>A file that <c>examples/guests.sh</c> makes.</summary>
    public static string Guest(string name) => Path.Combine(Root, "out", "guests", name);

    private static string FindRoot([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", ".."));
}
