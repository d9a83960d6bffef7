namespace Vmm.Core.Text;

/// <summary>Guesses what was meant by a name that does not exist.</summary>
public static class Spelling
{
    /// <summary>The candidate with the smallest number of inserted, removed and changed characters (Levenshtein); the first of equals.</summary>
    public static string Nearest(string name, IEnumerable<string> candidates)
    {
        string lower = name.ToLowerInvariant();
        // Names come from a command line; a long one is cut so that the comparison stays cheap.
        string judged = lower.Length > 40 ? lower[..40] : lower;
        return candidates.MinBy(c => Distance(judged, c)) ?? string.Empty;
    }

    private static int Distance(string a, string b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(change, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[b.Length];
    }
}
