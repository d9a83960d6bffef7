using System.Globalization;
using Vmm.Control.Xl;

namespace Vmm.Cli.Domains;

/// <summary>The host's memory nodes.</summary>
internal static class HostNodes
{
    private const string Folder = "/sys/devices/system/node", Prefix = "node";

    /// <summary>The numbers of all nodes; node 0 where the kernel knows of none.</summary>
    public static IReadOnlyList<int> All { get; } = Find();

    /// <summary>The nodes that some processors belong to, as xl writes them: "0-1", or "all".</summary>
    public static string Of(IEnumerable<int> cpus)
    {
        HashSet<int> wanted = [.. cpus];
        int[] nodes = [.. All.Where(node => wanted.Count == 0 || Cpus(node).Any(wanted.Contains))];
        return XlCpuList.Format(nodes, All.Count);
    }

    /// <summary>The processors of a node.</summary>
    public static IReadOnlyList<int> Cpus(int node)
        => XlCpuList.Parse(string.Create(CultureInfo.InvariantCulture, $"node:{node}"), Environment.ProcessorCount, out _) ?? [.. Enumerable.Range(0, Environment.ProcessorCount)];

    private static int[] Find()
    {
        if (!Directory.Exists(Folder)) return [0];
        IEnumerable<string> names = Directory.EnumerateDirectories(Folder, $"{Prefix}*").Select(path => Path.GetFileName(path)[Prefix.Length..]);
        int[] nodes = [.. names.Select(n => int.TryParse(n, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : -1).Where(n => n >= 0).Order()];
        return nodes.Length == 0 ? [0] : nodes;
    }
}
