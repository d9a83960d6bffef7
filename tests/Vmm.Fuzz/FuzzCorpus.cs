using System.Runtime.CompilerServices;

namespace Vmm.Fuzz;

/// <summary>The seeds of the targets.</summary>
public static class FuzzCorpus
{
    /// <summary>The folder of a target's seeds.</summary>
    public static string FolderOf(IFuzzTarget target) => Path.Combine(Folder(), "corpus", target.Name);

    /// <summary>The seeds, in the order of their names.</summary>
    public static IReadOnlyList<(string Name, byte[] Bytes)> Read(IFuzzTarget target)
    {
        string folder = FolderOf(target);
        if (!Directory.Exists(folder)) return [];
        return [.. Directory.GetFiles(folder).Order(StringComparer.Ordinal).Select(f => (Path.GetFileName(f), File.ReadAllBytes(f)))];
    }

    private static string Folder([CallerFilePath] string here = "") => Path.GetDirectoryName(here)!;
}
