using System.Globalization;
using System.Text;

namespace Vmm.Control.Xl;

/// <summary>Processors of the host as xl writes them: "0-3,5,^1", "all", "nodes:0", "node:1".</summary>
public static class XlCpuList
{
    private const string All = "all";
    private const string NodeFolder = "/sys/devices/system/node";

    /// <summary>Reads a list.</summary>
    /// <param name="text">The words.</param>
    /// <param name="count">How many processors the host has.</param>
    /// <param name="error">What is wrong with it; null when it is good.</param>
    /// <returns>Their numbers, rising; null when something is wrong.</returns>
    public static IReadOnlyList<int>? Parse(string text, int count, out string? error)
    {
        SortedSet<int> cpus = [];
        foreach (string item in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            bool isTakenAway = item[0] == '^';
            if (!TryItem(item[(isTakenAway ? 1 : 0)..], count, out IEnumerable<int> some))
            {
                error = $"'{item}' names no processors; of this host's {count} would be 0-{count - 1}, all, ^0, nodes:0";
                return null;
            }

            if (isTakenAway) cpus.ExceptWith(some);
            else cpus.UnionWith(some);
        }

        error = cpus.Count == 0 ? $"'{text}' leaves no processor" : null;
        return error is null ? [.. cpus] : null;
    }

    /// <summary>Writes a list: "0-3,5", or "all".</summary>
    public static string Format(IReadOnlyList<int> cpus, int count)
    {
        if (cpus.Count >= count) return All;
        StringBuilder text = new();
        for (int i = 0; i < cpus.Count; i++)
        {
            int first = i;
            while (i + 1 < cpus.Count && cpus[i + 1] == cpus[i] + 1) i++;
            if (text.Length != 0) text.Append(',');
            text.Append(CultureInfo.InvariantCulture, $"{cpus[first]}");
            if (i != first) text.Append(CultureInfo.InvariantCulture, $"-{cpus[i]}");
        }

        return text.ToString();
    }

    private static bool TryItem(string item, int count, out IEnumerable<int> cpus)
    {
        cpus = [];
        if (item == All)
        {
            cpus = Enumerable.Range(0, count);
            return true;
        }

        string numbers = item;
        foreach (string prefix in (ReadOnlySpan<string>)["nodes:", "node:"])
        {
            if (!item.StartsWith(prefix, StringComparison.Ordinal)) continue;
            string range = item[prefix.Length..];
            return TryRange(range, int.MaxValue, out int firstNode, out int lastNode) && TryNodes(firstNode, lastNode, count, out cpus);
        }

        if (!TryRange(numbers, count, out int first, out int last)) return false;
        cpus = Enumerable.Range(first, last - first + 1);
        return true;
    }

    private static bool TryRange(string text, int count, out int first, out int last)
    {
        string[] ends = text.Split('-');
        last = 0;
        bool isGood = int.TryParse(ends[0], NumberStyles.None, CultureInfo.InvariantCulture, out first) && ends.Length <= 2
            && int.TryParse(ends[^1], NumberStyles.None, CultureInfo.InvariantCulture, out last);
        return isGood && first <= last && last < count;
    }

    private static bool TryNodes(int first, int last, int count, out IEnumerable<int> cpus)
    {
        List<int> all = [];
        cpus = all;
        for (int node = first; node <= last; node++)
        {
            string file = string.Create(CultureInfo.InvariantCulture, $"{NodeFolder}/node{node}/cpulist");
            if (!File.Exists(file)) return false;
            foreach (string item in File.ReadAllText(file).Trim().Split(',', StringSplitOptions.RemoveEmptyEntries))
            {
                if (TryRange(item, count, out int from, out int to)) all.AddRange(Enumerable.Range(from, to - from + 1));
            }
        }

        return true;
    }
}
