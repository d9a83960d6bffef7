using System.Runtime.CompilerServices;

namespace Vmm.Firmware.Tests;

/// <summary>The guest files that examples/quickstart.sh fetches; tests that need one skip where it is absent.</summary>
internal static class Guests
{
    public static string? Find(string name)
    {
        string path = Path.Combine(Root(), "out", "guests", name);
        return File.Exists(path) ? path : null;
    }

    private static string Root([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", ".."));
}
